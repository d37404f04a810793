//! The SMTP adapter.

use std::{fmt, net::IpAddr, time::Duration};

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{MultiPart, header},
};
use micro_clock::Ids;
use url::{Host, Url};

use crate::{Letter, MailError, Mailer};

const PATIENCE: Duration = Duration::from_secs(20);

/// Why `SMTP_URL` or `MAIL_FROM` was refused. It does not repeat them: one holds a password.
#[derive(Debug, thiserror::Error)]
pub enum SmtpAddressError {
    /// Not an address of a mail server.
    #[error("SMTP_URL must read smtp://user:password@host:port or smtps://…")]
    Url,
    /// Not a sender.
    #[error("MAIL_FROM must be an address, such as Micro <hello@example.com>")]
    From,
}

/// A mail server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: lettre::message::Mailbox,
}

impl Smtp {
    /// A mail server by its address. `smtps` is TLS from the first byte; `smtp` takes STARTTLS or refuses to
    /// send, except to this machine.
    pub fn connect(url: &str, from: &str) -> Result<Self, SmtpAddressError> {
        let mut url = Url::parse(url).map_err(|_| SmtpAddressError::Url)?;
        if url.scheme() == "smtp" && !url.query_pairs().any(|(key, _)| key == "tls") && !is_loopback(&url) {
            url.query_pairs_mut().append_pair("tls", "required");
        }
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str())
            .map_err(|_| SmtpAddressError::Url)?
            .timeout(Some(PATIENCE))
            .build();
        let from = from.parse().map_err(|_| SmtpAddressError::From)?;
        Ok(Self { transport, from })
    }

    fn compose(&self, letter: &Letter) -> Result<Message, MailError> {
        let to = letter.to().as_str().parse().map_err(|_| MailError::Compose)?;
        let id = format!("<{}@{}>", Ids.random(), self.from.email.domain());
        let automatic = header::HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.from.clone())
            .to(lettre::message::Mailbox::new(None, to))
            .subject(letter.subject())
            .message_id(Some(id))
            .raw_header(header::HeaderValue::new(automatic, "auto-generated".into()))
            .multipart(MultiPart::alternative_plain_html(
                letter.text().to_owned(),
                letter.html().to_owned(),
            ))
            .map_err(|_| MailError::Compose)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // `smtp` is no scheme that URLs know the hosts of: an address may come as a name.
        Some(Host::Domain(name)) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Smtp")
    }
}

#[async_trait]
impl Mailer for Smtp {
    async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let message = self.compose(letter)?;
        self.transport
            .send(message)
            .await
            .map(drop)
            .map_err(|e| MailError::Refused {
                reply: e.status().map(u16::from),
                timed_out: e.is_timeout(),
            })
    }
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;
    use micro_domain::Email;
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    fn letter() -> Letter {
        let to = Email::parse("ada@example.com").expect("valid");
        Letter::new(to, "Grüße: your code", "Hello\n.\nAda".into(), "<p>Hello</p>".into()).expect("valid")
    }

    /// Says yes to one letter; returns what lay between DATA and the lone dot.
    async fn serve_one(stream: TcpStream) -> Vec<u8> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read);
        let mut data = Vec::new();
        write.write_all(b"220 test\r\n").await.expect("greets");
        let mut inside = false;
        loop {
            let mut line = Vec::new();
            if lines.read_until(b'\n', &mut line).await.expect("reads") == 0 {
                return data;
            }
            let reply: &[u8] = match (inside, line.as_slice()) {
                (true, b".\r\n") => {
                    inside = false;
                    b"250 taken\r\n"
                }
                (true, _) => {
                    data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
                    continue;
                }
                (false, command) if command.starts_with(b"DATA") => {
                    inside = true;
                    b"354 go\r\n"
                }
                (false, command) if command.starts_with(b"QUIT") => return data,
                (false, _) => b"250 ok\r\n",
            };
            write.write_all(reply).await.expect("answers");
            if reply == b"250 taken\r\n" {
                return data;
            }
        }
    }

    #[tokio::test]
    async fn a_letter_arrives_with_both_its_parts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = tokio::spawn(async move { serve_one(listener.accept().await.expect("a client").0).await });
        let smtp = Smtp::connect(&format!("smtp://{address}"), "Micro <hello@example.com>").expect("valid");

        smtp.send(&letter()).await.expect("taken");

        let raw = server.await.expect("served");
        let mail = MessageParser::default().parse(&raw).expect("a message");
        assert_eq!(mail.subject(), Some("Grüße: your code"));
        assert_eq!(
            mail.to().and_then(|to| to.first()).and_then(|a| a.address()),
            Some("ada@example.com")
        );
        assert_eq!(
            mail.body_text(0).expect("text").trim_end().replace("\r\n", "\n"),
            "Hello\n.\nAda"
        );
        assert_eq!(mail.body_html(0).expect("html").trim_end(), "<p>Hello</p>");
    }

    #[tokio::test]
    async fn only_this_machine_gets_plain_text() {
        assert!(is_loopback(&Url::parse("smtp://127.0.0.1:25").expect("url")));
        assert!(is_loopback(&Url::parse("smtp://[::1]:25").expect("url")));
        assert!(is_loopback(&Url::parse("smtp://localhost").expect("url")));
        assert!(!is_loopback(&Url::parse("smtp://mail.example.com").expect("url")));
        assert!(matches!(
            Smtp::connect("http://x", "a@b.de"),
            Err(SmtpAddressError::Url)
        ));
        assert!(matches!(
            Smtp::connect("smtp://localhost", "a@b.de\r\nBcc: c@d.de"),
            Err(SmtpAddressError::From)
        ));
    }
}
