use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use super::ITEMS;

/// Starts the database on a free loopback port. It ends with the runtime.
pub(crate) async fn serve() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .context("the database found no port")?;
    let address = listener.local_addr()?;
    let tables = Arc::new(Tables::default());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&tables)));
        }
    });
    Ok(address)
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
struct Tables(Mutex<[u64; ITEMS as usize]>);

impl Tables {
    fn execute(&self, request: &str) -> Option<String> {
        let mut items = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if request == "total" {
            return Some(items.iter().sum::<u64>().to_string());
        }
        let (verb, item) = request.split_once(' ')?;
        let item: usize = item.parse().ok()?;
        match verb {
            "read" => Some(items.get(item)?.to_string()),
            "write" => {
                *items.get_mut(item)? += 1;
                Some(format!("{} {}", items[item], items.iter().sum::<u64>()))
            }
            _ => None,
        }
    }
}
