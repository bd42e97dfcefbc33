"""What the scripts share that run servers of their own: free ports, processes that are ended by their ids, waiting, and saying what was found."""

import os, signal, socket, subprocess, sys, time

# Of the caller's environment nothing is passed on that would set one of the servers.
OWN = ("SYNOD_", "EDGE_", "TRAEFIK_", "ACCESS_LOG_")


def said(text):
    print("  " + text, flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_free(port):
    """Whether nobody listens on this port of the loopback."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Servers:
    """Servers of one script. Each writes to NAME.log in the folder; all are ended, and waited for, when this is left."""

    def __init__(self, script, folder):
        self.script, self.folder, self.started = script, folder, []

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        return self

    def __exit__(self, *_):
        # Whoever is impatient now would leave servers behind.
        for word in (signal.SIGINT, signal.SIGTERM):
            signal.signal(word, signal.SIG_IGN)
        # The last one may need those before it to end well.
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, name, words, folder=None, **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        with open(self.folder / f"{name}.log", "ab") as log:
            # A group of its own, so that Ctrl-C reaches the script alone, which ends them in order.
            process = subprocess.Popen(
                [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder or self.folder,
                env={**kept, **environment}, start_new_session=True,
            )
        self.started.append(process)
        return process

    def fail(self, text, logs=False):
        ends = "\n".join(f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in sorted(self.folder.glob("*.log"))) if logs else ""
        raise SystemExit(f"{self.script}: {text}" + (f"\n{ends}" if ends else ""))

    def check(self, holds, text, detail=""):
        if not holds:
            self.fail(f"{text}: it is not so. {detail}")
        said(text)

    def until(self, holds, text, seconds=20, process=None):
        """Waits until it holds. A server that cannot be reached yet, or answers what is no JSON, is asked again; one that has ended is not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if found := holds():
                    return found
            except (OSError, ValueError):
                pass
            if process and process.poll() is not None:
                self.fail(f"{text}: the server has ended with {process.returncode}", logs=True)
            time.sleep(0.05)
        self.fail(f"{text}: not within {seconds} s", logs=True)


def run(script, words, **environment):
    """Runs a command to its end, and gives what it says. If it fails, the script ends with what it said."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        sys.exit(f"{script}: {' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()
