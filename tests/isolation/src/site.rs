//! A door that speaks plain HTTP, asked without following anywhere.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use reqwest::{Method, redirect::Policy};
use secrecy::ExposeSecret;

use crate::doors::{Answer, Shown};

/// The longest that any answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A door at an address.
#[derive(Clone)]
pub struct Site {
    http: reqwest::Client,
    at: SocketAddr,
}

/// What is asked there.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How.
    pub method: Method,
    /// With its query.
    pub path: String,
    /// Beside what the caller shows.
    pub headers: Vec<(&'static str, String)>,
    /// A form's fields, or a message.
    pub body: String,
}

impl Asked {
    /// An address, asked by its method.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// The same with a header more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with a form.
    #[must_use]
    pub fn form(mut self, fields: impl Into<String>) -> Self {
        self.body = fields.into();
        self.with("content-type", "application/x-www-form-urlencoded")
    }
}

impl Site {
    /// A new connection.
    pub fn at(at: SocketAddr) -> Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .build()?;
        Ok(Self { http, at })
    }

    /// Asks, and asks again where only the rate of the asking was refused. Where an answer leads is part of its text.
    pub async fn ask(&self, asked: &Asked, shown: &Shown) -> Result<Answer> {
        let began = Instant::now();
        loop {
            let url = format!("http://{}{}", self.at, asked.path);
            let mut request = self.http.request(asked.method.clone(), url).body(asked.body.clone());
            for (name, value) in &asked.headers {
                request = request.header(*name, value);
            }
            if let Some(token) = &shown.token {
                request = request.bearer_auth(token.expose_secret());
            }
            if let Some(header) = &shown.header {
                request = request.header("micro-namespace", header);
            }
            let response = request.send().await?;
            let leads = response.headers().get("location").and_then(|to| to.to_str().ok());
            let leads = leads.map(|to| format!("-> {to}\n")).unwrap_or_default();
            let answer = Answer {
                code: response.status().as_u16(),
                text: leads + response.text().await?.as_str(),
            };
            if answer.code != 429 || !answer.text.contains("per_second") {
                return Ok(answer);
            }
            ensure!(began.elapsed() < PATIENCE, "refused for its rate: {}", answer.text);
            tokio::task::yield_now().await;
        }
    }
}
