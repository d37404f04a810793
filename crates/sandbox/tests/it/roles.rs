//! What this binary does when it is the program, or a server that is going to be killed: `… role NAME ARGUMENTS`.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::exit,
};

use micro_sandbox::{Launcher, Spec};

#[used]
#[unsafe(link_section = ".init_array")]
static PLAY: extern "C" fn() = {
    extern "C" fn play() {
        let arguments: Vec<String> = std::env::args().collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let [_, "role", role, rest @ ..] = arguments.as_slice() else {
            return;
        };
        exit(match *role {
            "serve" => serve(),
            "call" => call(rest[0]),
            "launch" => launch(),
            "probe" => probe(),
            "fork" => fork_until_refused(),
            "allocate" => allocate(rest[0]),
            "fill" => fill(rest[0]),
            "hostile" => crate::hostile::attempt_all(rest[0]),
            other => panic!("no role {other}"),
        })
    }
    play
};

/// Answers every connection to port 8080, and counts lines meanwhile.
fn serve() -> i32 {
    let listener = TcpListener::bind("127.0.0.1:8080").expect("a port of one's own");
    println!("serving");
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        stream.write_all(b"from inside").expect("written");
        println!("answered");
    }
    0
}

/// Connects to an address and says what it hears.
fn call(address: &str) -> i32 {
    let mut heard = String::new();
    let mut stream = TcpStream::connect(address).expect("somebody is there");
    stream.write_all(b"hello from inside\n").expect("written");
    stream.shutdown(std::net::Shutdown::Write).expect("shut");
    stream.read_to_string(&mut heard).expect("heard");
    println!("heard {heard}");
    0
}

/// A server: launches what standard input says, and waits to be killed.
fn launch() -> i32 {
    let mut order = String::new();
    std::io::stdin().read_line(&mut order).expect("an order");
    let (mode, spec): (_, Spec) = serde_json::from_str(&order).expect("an order");
    Launcher::new(mode).launch_blocking(spec).expect("started");
    println!("launched");
    loop {
        // SAFETY: plain call.
        unsafe { libc::pause() };
    }
}

fn probe() -> i32 {
    match micro_sandbox::probe() {
        Ok(mode) => println!("{mode:?}"),
        Err(e) => println!("{}: {}", e.failure.step, e.remedy),
    }
    0
}

fn fork_until_refused() -> i32 {
    for count in 0..3000 {
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            -1 => {
                println!("{count}");
                return 0;
            }
            0 => loop {
                // SAFETY: plain call.
                unsafe { libc::pause() };
            },
            _ => {}
        }
    }
    println!("3000");
    1
}

fn allocate(megabytes: &str) -> i32 {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for _ in 0..megabytes.parse().expect("a number") {
        kept.push(vec![1; 1 << 20]);
    }
    println!("allocated {}", kept.len());
    0
}

fn fill(directory: &str) -> i32 {
    let mut file = std::fs::File::create(format!("{directory}/fill")).expect("a file");
    let mut megabytes = 0;
    while megabytes < 700 && file.write_all(&[1; 1 << 20]).is_ok() {
        megabytes += 1;
    }
    println!("{megabytes}");
    0
}
