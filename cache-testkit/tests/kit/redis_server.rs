//! The server of a test: starts, is of its own, survives what tests do to it, and leaves nothing behind.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use cache_testkit::{PATIENCE, RedisServer, StartError, redis};

fn is_alive(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
        return false;
    };
    rustix::process::test_kill_process(pid).is_ok()
}

#[test]
fn a_server_answers_as_soon_as_it_is_started() {
    let server = RedisServer::start().unwrap();
    assert_eq!(server.command::<String>(["PING"]).unwrap(), "PONG");
    assert_eq!(server.url(), format!("redis://127.0.0.1:{}", server.port().unwrap()));
}

#[test]
fn each_server_is_empty_and_of_its_own() {
    let (one, other) = (RedisServer::start().unwrap(), RedisServer::start().unwrap());
    one.command::<()>(["SET", "key", "value"]).unwrap();
    assert_eq!(other.command::<i64>(["DBSIZE"]).unwrap(), 0);
    assert_ne!(one.url(), other.url());
}

#[test]
fn a_dropped_server_leaves_no_process_and_no_files() {
    let server = RedisServer::start().unwrap();
    let (pid, folder) = (server.pid().unwrap(), server.folder().to_owned());
    assert!(is_alive(pid) && folder.exists());
    drop(server);
    assert!(!is_alive(pid) && !folder.exists());
}

#[test]
fn a_unix_socket_does_instead_of_a_port() {
    let server = RedisServer::builder().with_unix_socket().start().unwrap();
    assert_eq!(server.port(), None);
    assert!(server.url().starts_with("redis+unix:///"), "{}", server.url());
    assert_eq!(server.command::<String>(["PING"]).unwrap(), "PONG");
    assert_eq!(
        server.command::<(String, String)>(["CONFIG", "GET", "port"]).unwrap().1,
        "0"
    );
}

#[test]
fn settings_reach_the_server() {
    let server = RedisServer::builder()
        .config("maxmemory", "10mb")
        .config("save", "60 1")
        .start()
        .unwrap();
    let get = |name| server.command::<(String, String)>(["CONFIG", "GET", name]).unwrap().1;
    assert_eq!(get("maxmemory"), (10 * 1024 * 1024).to_string());
    assert_eq!(get("save"), "60 1");
}

#[test]
fn a_password_of_any_characters_is_part_of_the_url_and_asked_for() {
    for builder in [RedisServer::builder(), RedisServer::builder().with_unix_socket()] {
        let server = builder.password("p@ss:\"w\\ord/ ?#&").start().unwrap();
        assert_eq!(server.command::<String>(["PING"]).unwrap(), "PONG");
        if let Some(port) = server.port() {
            let without = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
            let error = without
                .get_connection()
                .and_then(|mut connection| redis::cmd("PING").exec(&mut connection));
            assert!(error.unwrap_err().to_string().contains("NOAUTH"));
        }
    }
}

#[test]
fn a_killed_server_comes_back_empty_at_the_same_address() {
    let server = RedisServer::start().unwrap();
    let (url, pid) = (server.url().to_owned(), server.pid().unwrap());
    server.command::<()>(["SET", "key", "value"]).unwrap();
    server.kill();
    assert_eq!(server.pid(), None);
    assert!(!is_alive(pid));
    assert!(server.command::<String>(["PING"]).is_err());
    server.restart().unwrap();
    assert_eq!(server.url(), url);
    assert_eq!(server.command::<i64>(["DBSIZE"]).unwrap(), 0);
}

#[test]
fn a_server_that_saves_keeps_its_data_over_a_restart_in_order() {
    let server = RedisServer::builder().config("save", "3600 1").start().unwrap();
    server.command::<()>(["SET", "key", "value"]).unwrap();
    server.restart().unwrap();
    assert_eq!(server.command::<String>(["GET", "key"]).unwrap(), "value");
}

#[test]
fn a_paused_server_is_silent_until_it_is_resumed() {
    let server = RedisServer::start().unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    server.pause();
    assert!(redis::cmd("PING").exec(&mut connection).unwrap_err().is_timeout());
    server.resume();
    assert_eq!(server.command::<String>(["PING"]).unwrap(), "PONG");
}

#[test]
fn a_paused_server_can_be_restarted_and_dropped() {
    let server = RedisServer::start().unwrap();
    server.pause();
    server.restart().unwrap();
    let pid = server.pid().unwrap();
    server.pause();
    drop(server);
    assert!(!is_alive(pid));
}

#[test]
fn a_failed_start_shows_the_log() {
    let error = RedisServer::builder()
        .config("no-such-setting", "yes")
        .start()
        .unwrap_err();
    assert!(matches!(error, StartError::Failed { .. }), "{error}");
    assert!(error.to_string().contains("no-such-setting"), "{error}");
}

#[test]
fn a_machine_without_a_server_is_told_how_to_install_one() {
    let mut helper = helper_process();
    helper.env("PATH", "/nonexistent").env_remove("CACHE_TESTKIT_SERVER");
    let output = helper.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        message.contains("neither `redis-server` nor `valkey-server` is on the PATH"),
        "{message}"
    );
    assert!(message.contains("apt-get install redis-server"), "{message}");
}

#[test]
fn a_variable_names_the_program_for_tests_that_do_not() {
    let mut helper = helper_process();
    let output = helper.env("CACHE_TESTKIT_SERVER", "/no/such/server").output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("/no/such/server"), "{message}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let error = RedisServer::builder()
        .binary("/no/such/redis-server")
        .start()
        .unwrap_err();
    assert!(error.to_string().contains("/no/such/redis-server"), "{error}");
}

#[test]
fn a_program_that_never_answers_is_given_up_and_ended() {
    let error = RedisServer::builder()
        .binary(mute_server())
        .start_timeout(Duration::from_secs(1))
        .start()
        .unwrap_err();
    assert!(error.to_string().contains("no answer within 1s"), "{error}");
    let StartError::Failed { log, .. } = error else {
        panic!("{error}")
    };
    assert!(!is_alive(log.trim().parse().unwrap()), "still running: {log}");
}

/// Writes its process number as its log, and hangs.
fn mute_server() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kit/mute-server.sh")
}

#[test]
fn a_port_that_somebody_took_while_the_server_was_down_is_waited_for() {
    let server = RedisServer::builder()
        .start_timeout(Duration::from_millis(200))
        .start()
        .unwrap();
    server.kill();
    let taken = TcpListener::bind(("127.0.0.1", server.port().unwrap())).unwrap();
    assert!(
        server
            .restart()
            .unwrap_err()
            .to_string()
            .contains("Address already in use")
    );
    drop(taken);
    server.restart().unwrap();
}

/// A process of its own that runs the helper below.
fn helper_process() -> Command {
    let mut process = Command::new(std::env::current_exe().expect("the path of this test"));
    process.args([
        "redis_server::helper_start_and_wait_for_ever",
        "--exact",
        "--ignored",
        "--nocapture",
    ]);
    process
}

#[test]
#[ignore = "runs in processes that other tests start"]
fn helper_start_and_wait_for_ever() {
    let server = RedisServer::start().unwrap();
    println!("started {} {}", server.port().unwrap(), server.folder().display());
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read(&mut [0; 1]);
}

#[test]
fn a_killed_test_process_takes_its_servers_along() {
    let mut test = helper_process()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(test.stdout.take().unwrap()).lines();
    let started = lines
        .find_map(|line| Some(line.unwrap().split_once("started ")?.1.to_owned()))
        .expect("the helper ended early");
    let (port, folder) = started.split_once(' ').unwrap();
    let folder = PathBuf::from(folder);
    let mut connection = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    // Once it has answered, the end of the server is the end of the connection, not a refusal of it.
    let mut answer = [0; 7];
    connection.write_all(b"PING\r\n").unwrap();
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(answer, *b"+PONG\r\n");
    test.kill().unwrap();
    test.wait().unwrap();
    assert_eq!(
        connection.read(&mut [0; 1]).unwrap(),
        0,
        "the server closes its connections when it ends"
    );
    let deadline = Instant::now() + PATIENCE;
    while folder.exists() {
        assert!(Instant::now() < deadline, "{} is still there", folder.display());
        thread::yield_now();
    }
}
