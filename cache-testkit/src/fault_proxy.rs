//! A bad network in front of a server.

mod connection;
mod weather;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
    sync::watch,
    task::JoinSet,
};

pub use self::weather::Direction;
use self::{
    connection::Open,
    weather::{Course, Weather},
};

/// How long to wait when the system has no file descriptor left for another connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// Passes TCP connections on to a server, and lets go wrong what goes wrong on networks.
///
/// It listens on a free loopback port. Everything can be changed while connections are open, and concerns them at once.
/// The proxy lives on a thread of its own, so neither a busy runtime nor a paused clock changes it; dropping it closes its
/// connections.
///
/// ```
/// use cache_testkit::{Direction, FaultProxy, RedisServer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = RedisServer::start()?;
/// let port = server.port().ok_or("it listens on a port")?;
/// let proxy = FaultProxy::start(([127, 0, 0, 1], port))?;
/// let _url = format!("redis://{}", proxy.address()); // for the cache under test
///
/// proxy.black_hole(Direction::Both); // from here on it is silent ...
/// proxy.heal(); // ... and now what was sent in between arrives
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts to listen, and passes everything on to `upstream`, which need not be there yet.
    ///
    /// # Errors
    ///
    /// If the system gives no port or no thread.
    pub fn start(upstream: impl Into<SocketAddr>) -> io::Result<Self> {
        let weather = watch::Sender::new(Weather::fair(upstream.into()));
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let listener = {
            let _guard = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let thread = thread::Builder::new().name("fault-proxy".to_owned()).spawn({
            let weather = weather.clone();
            move || serve(&runtime, &listener, &weather)
        })?;
        Ok(Self {
            address,
            weather,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has accepted so far, refused ones among them.
    pub fn accepted(&self) -> u64 {
        self.weather.borrow().accepted
    }

    /// Nothing gets through any more in this direction, and nobody is told: connections stay open and new ones are
    /// accepted. What is sent is kept, as TCP does, and arrives after [`heal`](Self::heal).
    pub fn black_hole(&self, direction: Direction) {
        self.set_course(direction, Course::Held);
    }

    /// Everything takes this much longer in this direction. What is sent while something waits travels with what comes
    /// after it, so a single byte may take up to twice as long.
    pub fn delay(&self, direction: Direction, by: Duration) {
        self.set_course(direction, Course::Delayed(by));
    }

    /// Bytes come one at a time, with this long between them.
    pub fn trickle(&self, direction: Direction, between: Duration) {
        self.set_course(direction, Course::Trickling(between));
    }

    /// Resets every connection now (TCP RST). New ones may be opened.
    pub fn reset(&self) {
        self.weather.send_modify(|weather| weather.resets += 1);
    }

    /// Resets every connection now, and new ones as soon as they are accepted.
    pub fn refuse(&self) {
        self.weather.send_modify(|weather| {
            weather.refusing = true;
            weather.resets += 1;
        });
    }

    /// Ends this direction of every open connection in order (TCP FIN), and leaves the other one open.
    pub fn half_close(&self, direction: Direction) {
        self.weather
            .send_modify(|weather| direction.each(|way| weather.cuts[way] += 1));
    }

    /// The connection that has been open for longest goes silent for good, in both directions, and nobody is told: what a
    /// router leaves behind that has forgotten it. [`heal`](Self::heal) does not bring it back. Returns whether there was one
    /// that is not stranded already.
    pub fn strand_one(&self) -> bool {
        self.weather.send_if_modified(|weather| {
            let oldest = weather.open.pop_first();
            weather.stranded.extend(oldest);
            oldest.is_some()
        })
    }

    /// Leads new connections to another server. Open ones stay: [`reset`](Self::reset) them if they are to move.
    pub fn redirect(&self, upstream: impl Into<SocketAddr>) {
        let upstream = upstream.into();
        self.weather.send_modify(|weather| weather.upstream = upstream);
    }

    /// Everything gets through again, in both directions. What was reset or closed stays so.
    pub fn heal(&self) {
        self.weather.send_modify(|weather| {
            weather.refusing = false;
            weather.courses = [Course::Clear; 2];
        });
    }

    fn set_course(&self, direction: Direction, course: Course) {
        self.weather
            .send_modify(|weather| direction.each(|way| weather.courses[way] = course));
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.weather.send_modify(|weather| weather.closing = true);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its thread.
            let _ = thread.join();
        }
    }
}

fn serve(runtime: &Runtime, listener: &TcpListener, weather: &watch::Sender<Weather>) {
    let mut connections = JoinSet::new();
    let mut closing = weather.subscribe();
    let accepting = async {
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((client, _)) => {
                        let open = Open::register(weather);
                        connections.spawn(connection::carry(client, open));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    };
    runtime.block_on(async {
        tokio::select! {
            () = accepting => {}
            _ = closing.wait_for(|weather| weather.closing) => {}
        }
    });
}
