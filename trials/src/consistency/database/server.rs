use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use cache_testkit::oracle::Moment;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use super::ITEMS;

/// A database that answers on a loopback port. It ends with the runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    tables: Arc<Tables>,
}

impl Server {
    /// Every commit so far.
    pub(crate) fn commits(&self) -> Vec<Commit> {
        self.tables.lock().commits.clone()
    }
}

/// A commit, whether or not the node that asked for it has lived to see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commit {
    pub(crate) at: Moment,
    pub(crate) item: u32,
    pub(crate) version: u64,
    /// Whether the node had told all others before to hold off.
    pub(crate) held: bool,
}

/// Starts the database on a free port.
pub(crate) async fn serve() -> Result<Server> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .context("the database found no port")?;
    let address = listener.local_addr()?;
    let tables = Arc::new(Tables::default());
    let served = Arc::clone(&tables);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&served)));
        }
    });
    Ok(Server { address, tables })
}

async fn answer(mut stream: TcpStream, tables: Arc<Tables>) -> Result<()> {
    stream.set_nodelay(true)?;
    let (from, mut to) = stream.split();
    let mut requests = BufReader::new(from).lines();
    while let Some(request) = requests.next_line().await? {
        let answer = tables.execute(&request).unwrap_or_else(|| "what?".to_owned());
        to.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

#[derive(Default)]
struct Tables(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    items: [u64; ITEMS as usize],
    commits: Vec<Commit>,
}

impl Tables {
    fn execute(&self, request: &str) -> Option<String> {
        let Contents { items, commits } = &mut *self.lock();
        if request == "total" {
            return Some(items.iter().sum::<u64>().to_string());
        }
        let (verb, item) = request.split_once(' ')?;
        let item: u32 = item.parse().ok()?;
        let current = items.get_mut(item as usize)?;
        match verb {
            "read" => Some(current.to_string()),
            "write" | "write-held" => {
                *current += 1;
                let version = *current;
                let at = Moment::now();
                let held = verb == "write-held";
                commits.push(Commit {
                    at,
                    item,
                    version,
                    held,
                });
                Some(format!("{version} {}", items.iter().sum::<u64>()))
            }
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
