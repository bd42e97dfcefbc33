"""A client that is pleasant to look at: sends generated transactions one by one and tells what became of each. Started by scripts/client.sh, whose
comment is its help: SYNOD [OPTIONS]."""

import argparse, collections, http.client, json, ssl, subprocess, sys, tempfile, time
from pathlib import Path
from urllib.parse import urlsplit

LONGEST_WAIT = 60
TRIES = 20
KEY = Path(__file__).parent.parent / ".synod/admin.key"


def fail(text):
    sys.exit(f"client.sh: {text}")


def arguments():
    parser = argparse.ArgumentParser(prog="client.sh", add_help=False, allow_abbrev=False)
    parser.add_argument("synod", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--key", type=Path, default=KEY)
    parser.add_argument("--ca", type=Path)
    parser.add_argument("--kind", choices=["three-fields", "bank"], default="three-fields")
    parser.add_argument("--rows", type=int, default=50)
    parser.add_argument("--rate", type=float, default=5)
    parser.add_argument("--fraud", default="0.1")
    parser.add_argument("--seed", default="7")
    given = parser.parse_args()
    if given.rows < 1:
        fail("--rows: at least 1 is sent")
    if given.rate < 0:
        fail("--rate: so many rows a second, or 0 for as fast as it answers")
    return given


def rows(given):
    """The rows, each with what it is: 1 for fraud."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/rows.jsonl"
        words = [given.synod, "generate", "--kind", given.kind, "--rows", str(given.rows), "--seed", given.seed, "--fraud", given.fraud, "--output", path]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            fail(done.stderr.strip())
        for line in Path(path).read_text().splitlines():
            row = json.loads(line)
            is_fraud, _ = row.pop("label"), row.pop("kind")
            yield {name: value for name, value in row.items() if value is not None}, bool(is_fraud)


class Server:
    """One connection, which is made again when it has ended."""

    def __init__(self, given):
        self.url, self.given, self.connection = urlsplit(given.url), given, None
        try:
            self.key = given.key.read_text().strip()
        except OSError as error:
            fail(f"--key: {given.key}: {error.strerror}; scripts/run.sh makes one, `synod keys create` others")
        if not self.key.isascii() or len(self.key.split()) != 1:
            fail(f"--key: {given.key} holds no key: it is one word in one line")
        if self.url.scheme not in ("http", "https") or not self.url.hostname:
            fail(f"--url: `{given.url}` is no address, as https://synod.bank.example")

    def connect(self):
        if self.url.scheme == "http":
            return http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=30)
        try:
            context = ssl.create_default_context(cafile=self.given.ca)
        except OSError as error:
            fail(f"--ca: {self.given.ca}: {error.strerror or error}")
        return http.client.HTTPSConnection(self.url.hostname, self.url.port, timeout=30, context=context)

    def ask(self, row):
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            self.connection = self.connection or self.connect()
            self.connection.request("POST", self.url.path.rstrip("/") + "/v1/score", json.dumps(row), headers)
            response = self.connection.getresponse()
            return response.status, response.headers, response.read()
        except ssl.SSLCertVerificationError as error:
            fail(f"the certificate of {self.given.url} is not trusted ({error.verify_message}): name its authority by --ca FILE")
        except (OSError, http.client.HTTPException):
            self.connection = None
            raise

    def verdict(self, row):
        """The answer to a row. Who is told to wait waits; a connection that has ended is made again."""
        for attempt in range(TRIES):
            try:
                status, headers, body = self.ask(row)
            except (OSError, http.client.HTTPException) as error:
                if attempt == 3:
                    fail(f"there is no server at {self.given.url} ({error}): start one by scripts/run.sh, or name it by --url")
                time.sleep(0.5)
                continue
            if status == 200:
                return json.loads(body), headers.get("synod-repeated") == "true"
            if status not in (429, 503):
                fail(refusal(status, body, self.given))
            wait = seconds(headers.get("retry-after"))
            print(f"        told to wait {wait} s ({status}: {detail(body)})", flush=True)
            time.sleep(wait)
        fail(f"told to wait {TRIES} times: {detail(body)}")


def seconds(text):
    """Of Retry-After; a date is as good as a second."""
    return min(max(int(text), 1), LONGEST_WAIT) if (text or "").isdigit() else 1


def detail(body):
    try:
        problem = json.loads(body)
        first = [f"first {error['pointer'] or 'the row'}: {error['detail']}" for error in problem.get("errors", [])[:1]]
        return "; ".join([problem["detail"], *first])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()[:200] or "no more is said"


def refusal(status, body, given):
    mend = {
        401: f"is the key in {given.key} one of this server?",
        403: "the key needs a role that may score, as scorer",
        404: f"is there a Synod at {given.url}?",
        400: f"does it serve rows of the kind {given.kind}? --kind says another",
        422: f"does it serve rows of the kind {given.kind}? --kind says another",
    }.get(status)
    return f"{status}: {detail(body)}" + (f"; {mend}" if mend else "")


def line(number, answer, is_fraud, is_repeated):
    verdict = answer["verdict"]
    votes = [f"{vote['detector']} {vote.get('score', 0):.2f}" for vote in answer.get("votes", []) if vote.get("anomalous")]
    score = f"{verdict['score']:.2f}" if verdict.get("score") is not None else "    "
    said = f"{number:>6}  {verdict.get('outcome', ''):<8}{score}"
    if is_repeated:
        said += "  (as before)"
    if votes:
        said += f"  flagged by {', '.join(votes)}"
    if is_fraud:
        said += "  [made as fraud]"
    for reason in answer.get("reasons", []) if verdict["anomalous"] else []:
        said += f"\n{'':>20}{reason}"
    return said


def tell(given, counts, found, made, took, worst):
    print(f"\n{sum(counts.values())} rows in {took:.1f} s: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))
    print(f"of {made} that were made as fraud, {found} were found anomalous")
    if worst:
        score, decision = worst
        trust = f"--cacert {given.ca} " if given.ca else ""
        print(f"the most anomalous one ({score:.2f}):")
        print(f"   curl {trust}-H \"Authorization: Bearer $(cat {given.key})\" {given.url}/v1/decisions/{decision}/explanation")
    print(f"decisions  {given.url}/v1/decisions\nconsole    {given.url}/console")


def main():
    given = arguments()
    server = Server(given)
    counts, found, made, worst = collections.Counter(), 0, 0, None
    started = time.monotonic()
    try:
        for number, (row, is_fraud) in enumerate(rows(given), 1):
            if given.rate:
                time.sleep(max(0, started + (number - 1) / given.rate - time.monotonic()))
            answer, is_repeated = server.verdict(row)
            verdict = answer["verdict"]
            print(line(number, answer, is_fraud, is_repeated), flush=True)
            counts[verdict.get("outcome", "judged")] += 1
            made, found = made + is_fraud, found + (is_fraud and verdict["anomalous"])
            if verdict.get("score") is not None and (worst is None or verdict["score"] > worst[0]):
                worst = verdict["score"], answer["decision"]
    except KeyboardInterrupt:
        print(flush=True)
    tell(given, counts, found, made, time.monotonic() - started, worst)


main()
