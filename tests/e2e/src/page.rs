//! A browser without scripts: follows links and redirects, fills in forms, reads text. What works here works
//! for everybody; what only a real browser shows is in the browser tests.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use reqwest::{blocking::Client, redirect::Policy};

/// A browser with its cookies.
pub struct Browser {
    client: Client,
}

/// A page that was loaded.
#[derive(Clone, Debug)]
pub struct Page {
    /// Where it came from, after redirects.
    pub url: reqwest::Url,
    /// HTTP status.
    pub status: u16,
    /// Its source.
    pub html: String,
}

/// A link, with the text of the line or table row that it stands in.
#[derive(Clone, Debug)]
pub struct Link {
    /// As written.
    pub href: String,
    /// Text around it.
    pub row: String,
}

impl Browser {
    /// A fresh one.
    pub fn new() -> Result<Self> {
        let client = Client::builder()
            .cookie_store(true)
            .redirect(Policy::limited(10))
            .timeout(std::time::Duration::from_secs(30))
            .build()?;
        Ok(Self { client })
    }

    /// Loads a page.
    pub fn get(&mut self, url: &str) -> Result<Page> {
        let response = self.client.get(url).send().with_context(|| format!("GET {url}"))?;
        Page::of(response)
    }

    /// Fills in the form that has these fields (or the only one) and sends it; hidden fields go along.
    pub fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Result<Page> {
        let form = page.form(fields)?;
        let mut values = form.hidden;
        values.extend(fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let url = page.url.join(&form.action)?;
        // What a browser says of a form on the page's own site.
        let origin = page.url.origin().ascii_serialization();
        let response = self.client.post(url).header("origin", origin).form(&values).send()?;
        Page::of(response)
    }
}

struct Form {
    action: String,
    hidden: BTreeMap<String, String>,
}

impl Page {
    fn of(response: reqwest::blocking::Response) -> Result<Self> {
        let (url, status) = (response.url().clone(), response.status().as_u16());
        Ok(Self {
            url,
            status,
            html: response.text()?,
        })
    }

    /// Fails unless it loaded well.
    pub fn ok(self) -> Result<Self> {
        ensure!(self.status == 200, "{} at {}: {}", self.status, self.url, self.text());
        Ok(self)
    }

    /// What a person reads.
    pub fn text(&self) -> String {
        text_of(&self.html)
    }

    /// Every link.
    pub fn links(&self) -> Vec<Link> {
        let rows = self.html.split("<tr").chain(self.html.split("<li"));
        rows.flat_map(|row| {
            let text = text_of(row);
            row.match_indices("<a ")
                .filter_map(move |(at, _)| {
                    let href = attribute(&row[at..row[at..].find('>').map_or(row.len(), |e| at + e)], "href")?;
                    Some(Link {
                        href,
                        row: text.clone(),
                    })
                })
                .collect::<Vec<_>>()
        })
        .collect()
    }

    fn form(&self, fields: &[(&str, &str)]) -> Result<Form> {
        let mut forms = self
            .html
            .split("<form")
            .skip(1)
            .map(|f| f.split("</form").next().unwrap_or_default());
        let wanted = |f: &&str| fields.iter().all(|(name, _)| f.contains(&format!("name=\"{name}\"")));
        let form = forms
            .find(wanted)
            .with_context(|| format!("no form with {fields:?} on {}: {}", self.url, self.text()))?;
        let tag = form.split('>').next().unwrap_or_default();
        let inputs = form
            .split("<input")
            .skip(1)
            .map(|i| i.split('>').next().unwrap_or_default());
        let hidden = inputs
            .filter(|i| attribute(i, "type").as_deref() == Some("hidden"))
            .filter_map(|i| Some((attribute(i, "name")?, attribute(i, "value").unwrap_or_default())))
            .collect();
        Ok(Form {
            action: attribute(tag, "action").unwrap_or_default(),
            hidden,
        })
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let from = tag.find(&format!("{name}=\""))? + name.len() + 2;
    let value = &tag[from..];
    Some(unescape(&value[..value.find('"')?]))
}

fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            _ if !inside => text.push(c),
            _ => {}
        }
    }
    unescape(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unescape(text: &str) -> String {
    let pairs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&#x2F;", "/"),
        ("&amp;", "&"),
    ];
    pairs.iter().fold(text.to_owned(), |t, (from, to)| t.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_found_by_its_fields() {
        let html = r#"<form action="/a"><input name="x"></form>
            <form method=post action="/b?c&amp;d"><input type="hidden" name="h" value="1"><input name="y"></form>"#;
        let page = Page {
            url: "http://here/".parse().expect("valid"),
            status: 200,
            html: html.into(),
        };
        let form = page.form(&[("y", "")]).expect("there");
        assert_eq!(form.action, "/b?c&d");
        assert_eq!(
            form.hidden.into_iter().collect::<Vec<_>>(),
            [("h".to_owned(), "1".to_owned())]
        );
        assert!(page.form(&[("z", "")]).is_err());
    }

    #[test]
    fn text_is_what_a_person_reads() {
        assert_eq!(text_of("<p>a &amp; b</p><p>c"), "a & b c");
    }
}
