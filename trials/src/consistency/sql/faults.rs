//! What goes wrong, and when: drawn from the seed.

use std::time::Duration;

use anyhow::{Result, ensure};
use cache_testkit::{Direction, oracle::Moment};
use fastrand::Rng;
use tokio::time::{Instant, sleep};

use super::{
    commits::Troubles,
    database::{Observer, Server},
    node::{Orders, Step},
};
use crate::{
    consistency::{
        faults::{Log, millis, network, storage},
        fleet::Fleet,
        options::{Database, Fault, Options},
    },
    lab::servers::Servers,
};

/// What happens to the database, and to those who follow its changes.
const KINDS: [Fault; 4] = [Fault::Database, Fault::Cut, Fault::Step, Fault::Twins];

/// How long everything is well between two troubles, in milliseconds.
const PEACE: std::ops::Range<u64> = 100..1_800;

/// After a trouble all changes are relayed within this, on a machine that is busy with other things, too. A relay that has found its database
/// or its Redis away tries again every second, and one of SQLite that was killed has the work for five more.
const RECOVERY: Duration = Duration::from_secs(30);

/// So many changes that come after a trouble show that it is over: of one alone the transaction may be open, or rolled back.
const NEW_CHANGES: i64 = 8;

/// How long a relay may take to come to a step, while there are writers.
const STEP_DEADLINE: Duration = Duration::from_secs(10);

/// How long a process stands still that is not to have the work any longer when it goes on: a relay of PostgreSQL has it as long as its
/// connection, which is cut; one of SQLite for five seconds.
const STILL_POSTGRES: std::ops::Range<u64> = 50..1_000;
const STILL_SQLITE: std::ops::Range<u64> = 5_100..5_600;

/// Within this somebody has used every connection to Redis and noticed that it was silent for good.
const NOTICE: Duration = Duration::from_secs(2);

const POLL: Duration = Duration::from_millis(5);

/// What things happen to.
pub(super) struct Scene<'a> {
    pub(super) server: &'a Server,
    pub(super) servers: &'a mut Servers,
    pub(super) fleet: &'a Fleet,
    pub(super) orders: &'a Orders,
}

/// Lets things go wrong for as long as the run is to last, and leaves everything healed.
pub(super) async fn run(options: &Options, scene: Scene<'_>) -> Result<(Log, Troubles)> {
    let (log, mut troubles) = (Log::default(), Troubles::default());
    let mut random = Rng::with_seed(options.seed);
    let mut observer = Observer::new(scene.server.url(), options.database());
    // Until there is a relay.
    let began = Moment::now();
    recovered(&mut observer).await?;
    troubles.add(began, Moment::now());
    let ends = Instant::now() + Duration::from_secs(options.seconds);
    let of_redis = options.faults_among(&storage::KINDS);
    let others = options.faults_among(&[&network::KINDS[..], &KINDS].concat());
    if of_redis.is_empty() && others.is_empty() {
        tokio::time::sleep_until(ends).await;
        return Ok((log, troubles));
    }
    loop {
        sleep(millis(&mut random, PEACE)).await;
        if Instant::now() >= ends {
            return Ok((log, troubles));
        }
        let began = Moment::now();
        let both = random.u8(0..3) == 0;
        let redis = draw(&mut random, &of_redis).filter(|_| both || others.is_empty() || random.bool());
        let other = draw(&mut random, &others).filter(|_| both || redis.is_none());
        let (mut random_of_redis, mut random_of_other) = (random.fork(), random.fork());
        let Scene {
            server, fleet, orders, ..
        } = scene;
        let of_redis = async {
            match redis {
                Some(fault) => storage::strike(fault, &mut random_of_redis, scene.servers, &log).await,
                None => Ok(()),
            }
        };
        let of_other = async {
            match other {
                Some(fault) if KINDS.contains(&fault) => {
                    let blow = Blow {
                        server,
                        fleet,
                        orders,
                        log: &log,
                        random: &mut random_of_other,
                    };
                    blow.strike(fault).await
                }
                Some(fault) => network::strike(fault, &mut random_of_other, fleet, &log).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(of_redis, of_other)?;
        if other == Some(Fault::Partition) {
            sleep(NOTICE).await;
        }
        recovered(&mut observer).await?;
        troubles.add(began, Moment::now());
    }
}

fn draw(random: &mut Rng, kinds: &[Fault]) -> Option<Fault> {
    (!kinds.is_empty()).then(|| kinds[random.usize(0..kinds.len())])
}

/// Waits until changes are relayed that were made after everything was mended.
async fn recovered(observer: &mut Observer) -> Result<()> {
    let until = Instant::now() + RECOVERY;
    let mut mark = None;
    while !is_past(observer, &mut mark).await.unwrap_or(false) {
        ensure!(
            Instant::now() < until,
            "changes are not relayed within {RECOVERY:?} after everything was mended"
        );
        sleep(POLL).await;
    }
    Ok(())
}

/// Whether all is relayed up to a change that was not made yet when this was asked for the first time.
async fn is_past(observer: &mut Observer, mark: &mut Option<i64>) -> Result<bool, sqlx::Error> {
    let last = observer.last_written().await?;
    let mark = *mark.get_or_insert(last + NEW_CHANGES);
    // What waits is asked for last: a change that is written down by then and does not wait is relayed, or not committed.
    let first = observer.first_waiting().await?;
    Ok(last >= mark && first.is_none_or(|first| first > mark))
}

/// One fault.
struct Blow<'a> {
    server: &'a Server,
    fleet: &'a Fleet,
    orders: &'a Orders,
    log: &'a Log,
    random: &'a mut Rng,
}

impl Blow<'_> {
    async fn strike(self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Database => self.database().await,
            Fault::Cut => self.cut().await,
            Fault::Step => self.step().await,
            Fault::Twins => self.twins().await,
            _ => unreachable!("{fault:?} happens to others"),
        }
    }

    async fn database(self) -> Result<()> {
        let down = millis(self.random, 0..800);
        let Server::Postgres { server, .. } = self.server else {
            self.log
                .note(Fault::Database, format!("somebody holds the lock for {down:?}"));
            let mut holder = self.observer();
            holder.run("BEGIN IMMEDIATE").await?;
            sleep(down).await;
            holder.run("ROLLBACK").await?;
            return Ok(());
        };
        let is_crash = self.random.bool();
        let what = if is_crash { "killed" } else { "stopped" };
        self.log.note(
            Fault::Database,
            format!("the database is {what}, and comes back after {down:?}"),
        );
        let stopped = std::sync::Arc::clone(server);
        tokio::task::spawn_blocking(move || if is_crash { stopped.kill() } else { stopped.stop() }).await?;
        sleep(down).await;
        let started = std::sync::Arc::clone(server);
        tokio::task::spawn_blocking(move || started.restart()).await??;
        Ok(())
    }

    async fn cut(self) -> Result<()> {
        let Server::Postgres { ways, .. } = self.server else {
            return Ok(());
        };
        let seat = self.random.usize(0..ways.len());
        let lasting = millis(self.random, 20..1_500);
        let direction = [Direction::ToServer, Direction::ToClient, Direction::Both][self.random.usize(0..3)];
        let way = &ways[seat];
        let what = match self.random.u8(0..6) {
            0 => {
                self.end_connections("application_name = 'cache-runtime'").await?;
                "the database ends the connections of all relays".to_owned()
            }
            1 => {
                self.end_connections("backend_type = 'client backend' AND pid <> pg_backend_pid()")
                    .await?;
                "the database ends all connections".to_owned()
            }
            2 => {
                way.black_hole(direction);
                format!("seat {seat}: the database is in a black hole ({direction:?}) for {lasting:?}")
            }
            3 => {
                way.refuse();
                way.reset();
                format!("seat {seat}: the database refuses connections for {lasting:?}")
            }
            4 => {
                way.half_close(direction);
                format!("seat {seat}: connections to the database are half-closed ({direction:?})")
            }
            _ => {
                way.reset();
                format!("seat {seat}: connections to the database are reset")
            }
        };
        self.log.note(Fault::Cut, what);
        sleep(lasting).await;
        way.heal();
        Ok(())
    }

    async fn end_connections(&self, condition: &str) -> Result<()> {
        let sql = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {condition}");
        Ok(self.observer().run(&sql).await?)
    }

    async fn step(self) -> Result<()> {
        let step = Step::EVERY[self.random.usize(0..Step::EVERY.len())];
        self.log
            .note(Fault::Step, format!("the relay at work is killed at the step {step:?}"));
        self.orders.give(step)?;
        let until = Instant::now() + STEP_DEADLINE;
        while self.fleet.replace_fallen().await?.is_none() {
            // Taken back, unless a relay has just found it.
            if Instant::now() > until && self.orders.take(step) {
                break;
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    async fn twins(self) -> Result<()> {
        let seats = self.fleet.seats();
        let seat = self.random.usize(0..seats.len());
        let is_postgres = matches!(self.server, Server::Postgres { .. });
        let still = millis(self.random, if is_postgres { STILL_POSTGRES } else { STILL_SQLITE });
        self.log.note(
            Fault::Twins,
            format!("the node in seat {seat} stands still for {still:?}, and another one takes over"),
        );
        let held = self.fleet.hold_these([&seats[seat]]).await?;
        if is_postgres {
            self.end_connections("application_name = 'cache-runtime'").await?;
        }
        sleep(still).await;
        drop(held);
        Ok(())
    }

    fn observer(&self) -> Observer {
        let database = match self.server {
            Server::Postgres { .. } => Database::Postgres,
            Server::Sqlite(_) => Database::Sqlite,
        };
        Observer::new(self.server.url(), database)
    }
}
