//! One connection through the proxy.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    time::sleep,
};

use super::weather::{Course, TO_CLIENT, TO_SERVER, Weather};

/// What is read at once.
const CHUNK: usize = 16 * 1024;

/// A connection's place among the open ones, until it is closed.
pub(super) struct Open {
    number: u64,
    weather: watch::Sender<Weather>,
}

impl Open {
    pub(super) fn register(weather: &watch::Sender<Weather>) -> Self {
        let mut number = 0;
        weather.send_modify(|weather| {
            number = weather.accepted;
            weather.accepted += 1;
            weather.open.insert(number);
        });
        Self {
            number,
            weather: weather.clone(),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.weather.send_modify(|weather| {
            weather.open.remove(&self.number);
            weather.stranded.remove(&self.number);
        });
    }
}

/// Carries bytes both ways until both ends have closed, or until the connection is reset.
pub(super) async fn carry(mut client: TcpStream, open: Open) {
    let mut weather = open.weather.subscribe();
    let Weather {
        upstream,
        refusing,
        resets,
        cuts,
        ..
    } = weather.borrow().clone();
    let server = if refusing {
        None
    } else {
        TcpStream::connect(upstream).await.ok()
    };
    let Some(mut server) = server else {
        return reset(client);
    };
    // Without, small packets would wait for one another, and add a delay that nobody asked for.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);

    let carried = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let pump = |way: usize, from, to| Pump {
            from,
            to,
            way,
            number: open.number,
            cuts: cuts[way],
            weather: weather.clone(),
        };
        let up = pump(TO_SERVER, from_client, to_server);
        let down = pump(TO_CLIENT, from_server, to_client);
        tokio::select! {
            carried = async { tokio::try_join!(up.run(), down.run()) } => carried.is_ok(),
            _ = weather.wait_for(|weather| weather.resets != resets) => false,
        }
    };
    if !carried {
        reset(client);
        reset(server);
    }
}

/// Closes without a goodbye: the other side sees "connection reset by peer".
fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}

/// One direction of a connection.
struct Pump<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    way: usize,
    /// Which connection this is.
    number: u64,
    /// The number of half-closes when the connection was opened.
    cuts: u64,
    weather: watch::Receiver<Weather>,
}

impl Pump<'_> {
    async fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        let mut weather = self.weather.clone();
        loop {
            let length = tokio::select! {
                read = self.from.read(&mut buffer) => read?,
                _ = weather.wait_for(|weather| weather.cuts[self.way] != self.cuts) => 0,
            };
            if length == 0 {
                // The end of a stream does not get through a black hole either.
                self.course().await?;
                return self.to.shutdown().await;
            }
            self.deliver(&buffer[..length]).await?;
        }
    }

    async fn deliver(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (length, pause) = match self.course().await? {
                Course::Delayed(by) => (bytes.len(), by),
                Course::Trickling(between) => (1, between),
                Course::Clear | Course::Held => (bytes.len(), Duration::ZERO),
            };
            if !pause.is_zero() {
                tokio::select! {
                    () = sleep(pause) => {}
                    // Who waits for an hour need not, once it is called off.
                    _ = self.weather.changed() => continue,
                }
            }
            let (now, later) = bytes.split_at(length);
            self.to.write_all(now).await?;
            bytes = later;
        }
        Ok(())
    }

    /// How bytes travel now; waits for the end of a black hole, and for ever on a stranded connection.
    async fn course(&mut self) -> io::Result<Course> {
        let (way, number) = (self.way, self.number);
        let is_open = |weather: &Weather| weather.courses[way] != Course::Held && !weather.stranded.contains(&number);
        match self.weather.wait_for(is_open).await {
            Ok(weather) => Ok(weather.courses[way]),
            Err(_) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}
