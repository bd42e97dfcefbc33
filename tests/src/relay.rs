//! A relay between two programs, which can keep answers from arriving: what was asked for is done, and who asked never hears of it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A relay on a free port of the loopback, for as long as the test runs.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    swallows: Arc<AtomicBool>,
}

impl Relay {
    /// Starts one to this address.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let swallows = Arc::new(AtomicBool::new(false));
        let relay = Self { address, swallows: Arc::clone(&swallows) };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(target) else { continue };
                let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else { continue };
                let (passes, swallows) = (Arc::new(AtomicBool::new(false)), Arc::clone(&swallows));
                std::thread::spawn(move || pass(from_client, server, &passes));
                std::thread::spawn(move || pass(from_server, client, &swallows));
            }
        });
        relay
    }

    /// From now on answers arrive, or do not.
    pub fn swallow(&self, answers: bool) {
        self.swallows.store(answers, Ordering::Release);
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, swallows: &AtomicBool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !swallows.load(Ordering::Acquire) && to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
