//! The bad network of a test: what it does to connections, and that it stops doing it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to stop; the helpers too")]

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use cache_testkit::{Direction, FaultProxy, PATIENCE, RedisServer};

/// For what must not come: long enough on loopback.
const SILENCE: Duration = Duration::from_millis(50);

/// A server that sends everything back, for any number of connections.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
    address
}

fn connect(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn send(mut stream: &TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
}

fn receive(mut stream: &TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn round_trip(stream: &TcpStream, text: &str) {
    send(stream, text);
    assert_eq!(receive(stream, text.len()), text);
}

fn assert_silent(mut stream: &TcpStream) {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let kind = stream.read(&mut [0]).unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind}");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
}

fn assert_reset(mut stream: &TcpStream) {
    let kind = stream.read(&mut [0]).unwrap_err().kind();
    assert_eq!(kind, ErrorKind::ConnectionReset);
}

#[test]
fn everything_gets_through_in_fair_weather() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let (one, other) = (connect(&proxy), connect(&proxy));
    round_trip(&one, "one");
    round_trip(&other, "other");
    let large = "x".repeat(1 << 20);
    thread::scope(|scope| {
        scope.spawn(|| send(&one, &large));
        assert_eq!(receive(&one, large.len()), large);
    });
}

#[test]
fn the_end_of_a_stream_gets_through_and_the_other_direction_stays_open() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let stream = connect(&proxy);
    send(&stream, "last words");
    stream.shutdown(Shutdown::Write).unwrap();
    let mut echoed = String::new();
    (&stream).read_to_string(&mut echoed).unwrap();
    assert_eq!(echoed, "last words");
}

#[test]
fn a_black_hole_is_silence_and_what_was_sent_into_it_arrives_when_it_ends() {
    for direction in [Direction::ToServer, Direction::ToClient, Direction::Both] {
        let proxy = FaultProxy::start(echo()).unwrap();
        let open = connect(&proxy);
        round_trip(&open, "before");
        proxy.black_hole(direction);
        let opened_meanwhile = connect(&proxy);
        for stream in [&open, &opened_meanwhile] {
            send(stream, "hello");
            assert_silent(stream);
        }
        proxy.heal();
        for stream in [&open, &opened_meanwhile] {
            assert_eq!(receive(stream, 5), "hello", "{direction:?}");
        }
    }
}

#[test]
fn a_delay_is_added_to_each_direction_that_has_it() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let stream = connect(&proxy);
    let by = Duration::from_millis(20);
    for (direction, times) in [(Direction::ToServer, 1), (Direction::Both, 2)] {
        proxy.delay(direction, by);
        let began = Instant::now();
        round_trip(&stream, "hello");
        assert!(began.elapsed() >= by * times, "{direction:?}: {:?}", began.elapsed());
    }
}

#[test]
fn a_delay_of_an_hour_ends_when_it_is_called_off() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let stream = connect(&proxy);
    proxy.delay(Direction::Both, Duration::from_hours(1));
    send(&stream, "hello");
    assert_silent(&stream);
    proxy.heal();
    assert_eq!(receive(&stream, 5), "hello");
}

#[test]
fn trickling_bytes_come_one_at_a_time() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let stream = connect(&proxy);
    let between = Duration::from_millis(5);
    proxy.trickle(Direction::ToClient, between);
    let began = Instant::now();
    round_trip(&stream, "0123456789");
    assert!(began.elapsed() >= between * 10);
}

#[test]
fn a_reset_ends_what_is_open_and_nothing_else() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let stream = connect(&proxy);
    round_trip(&stream, "before");
    proxy.reset();
    assert_reset(&stream);
    round_trip(&connect(&proxy), "after");
}

#[test]
fn a_proxy_that_refuses_resets_what_comes_until_it_is_healed() {
    let proxy = FaultProxy::start(echo()).unwrap();
    proxy.refuse();
    assert_reset(&connect(&proxy));
    proxy.heal();
    round_trip(&connect(&proxy), "after");
}

#[test]
fn a_half_closed_connection_takes_no_more_and_still_answers() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let stream = connect(&proxy);
    round_trip(&stream, "before");
    proxy.black_hole(Direction::ToClient);
    send(&stream, "answer me");
    assert_silent(&stream);
    proxy.half_close(Direction::ToServer);
    proxy.heal();
    let mut echoed = String::new();
    (&stream).read_to_string(&mut echoed).unwrap();
    assert_eq!(echoed, "answer me");
    round_trip(&connect(&proxy), "a new one");
}

#[test]
fn a_stranded_connection_stays_silent_and_the_others_go_on() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let (oldest, younger) = (connect(&proxy), connect(&proxy));
    round_trip(&oldest, "before");
    round_trip(&younger, "before");
    assert!(proxy.strand_one());
    send(&oldest, "hello");
    round_trip(&younger, "hello");
    proxy.heal();
    assert_silent(&oldest);
    assert!(proxy.strand_one(), "the younger one");
    assert!(!proxy.strand_one(), "there is no third");
}

#[test]
fn new_connections_go_where_they_are_led() {
    let (first, second) = (RedisServer::start().unwrap(), RedisServer::start().unwrap());
    let loopback = |server: &RedisServer| SocketAddr::from(([127, 0, 0, 1], server.port().unwrap()));
    let proxy = FaultProxy::start(loopback(&first)).unwrap();
    let port = || {
        let stream = connect(&proxy);
        send(&stream, "CONFIG GET port\r\n");
        let mut reply = vec![0; 256];
        let length = (&stream).read(&mut reply).unwrap();
        String::from_utf8_lossy(&reply[..length]).into_owned()
    };
    assert!(port().contains(&first.port().unwrap().to_string()));
    proxy.redirect(loopback(&second));
    assert!(port().contains(&second.port().unwrap().to_string()));
}

#[test]
fn a_server_that_is_not_there_is_a_reset() {
    let server = RedisServer::start().unwrap();
    let proxy = FaultProxy::start(([127, 0, 0, 1], server.port().unwrap())).unwrap();
    server.kill();
    assert_reset(&connect(&proxy));
}

#[test]
fn a_dropped_proxy_closes_its_connections_and_its_port() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let address = proxy.address();
    let stream = connect(&proxy);
    round_trip(&stream, "before");
    drop(proxy);
    assert!(!matches!((&stream).read(&mut [0]), Ok(1..)));
    assert!(TcpStream::connect(address).is_err());
}
