//! What is no rpc at a tenant's door: pages, the doors' own addresses, the operators' door, and what is inside.

use anyhow::{Context, Result, ensure};
use micro_e2e::{
    operator::Operator,
    platform::{Options, Platform},
    signup::{AtThePage, GOOD_CARD, sign_up, sign_up_to_the_page, walk_the_pages},
};
use micro_isolation::{
    callers::{self, Hostile, Who},
    doors::{Answer, Doors, Shown},
    routes,
    site::{Asked, Site},
    victim::{Customer, Victim},
};
use micro_web::ROUTES;
use reqwest::Method;

use crate::{inside, operators, pages};

/// A sign-up that somebody is in the middle of.
pub struct Attempt {
    pub email: String,
    /// The last part of its page's address.
    pub link: String,
    /// The provider's page that was opened for it.
    pub session: String,
}

/// A platform with a customer, one who is about to be, and everybody who wants something of them.
pub struct World {
    pub doors: Doors,
    pub web: Site,
    pub api: Site,
    /// The operators' door, in both ways to speak to it.
    pub admin: (Doors, Site),
    pub hostiles: Vec<Hostile>,
    pub victim: Victim,
    /// Carol is about to pay.
    pub carol: Attempt,
    /// So is Mallory, who has a link too.
    pub mallory: Attempt,
    /// What no answer may have in it.
    secrets: Vec<String>,
}

impl World {
    /// What of the victims is in an answer, if anything.
    pub fn told(&self, answer: &Answer) -> Option<String> {
        let planted = self.victim.canaries.iter().find(|c| c.sings_in(&answer.text));
        let planted = planted.map(|canary| format!("the canary {}", canary.what));
        planted.or_else(|| self.secrets.iter().find(|s| answer.text.contains(*s)).cloned())
    }

    /// A fault, named.
    pub fn fault(what: &str, why: &str, answer: &Answer) -> String {
        format!("{what}: {why}: {} {}", answer.code, answer.text)
    }
}

#[test]
fn every_address_of_the_web_door_has_a_row() {
    let without: Vec<_> = ROUTES.iter().filter(|route| routes::row(route).is_none()).collect();
    let without: Vec<_> = without.iter().map(|r| format!("{} {}", r.method, r.path)).collect();
    assert!(
        without.is_empty(),
        "no row in tests/isolation/src/routes.rs: {without:#?}"
    );
    let left_over = routes::left_over();
    assert!(left_over.is_empty(), "rows without an address: {left_over:#?}");
}

#[test]
fn no_page_and_no_other_door_leads_to_what_is_not_theirs() -> Result<()> {
    let mut platform = Platform::start(Options::default())?;
    let home = platform.home()?;
    let ada = Customer::from(&sign_up(&mut platform, home, "ada@example.com", &[GOOD_CARD])?);
    let home = platform.home()?;
    let eve = Customer::from(&sign_up(&mut platform, home, "eve@example.com", &[GOOD_CARD])?);
    let at_the_page = sign_up_to_the_page(&platform, "carol@example.com")?;
    let mallorys = sign_up_to_the_page(&platform, "mallory@example.com")?;
    let operator = Operator::logged_in(&platform)?.token()?;
    let key = std::fs::read_to_string(platform.data_dir().join("keys/auth"))?;
    let runtime = tokio::runtime::Runtime::new()?;

    let world = runtime.block_on(async {
        let at = &platform.at;
        let (doors, web) = (Doors::of(at.proxy, at.api)?, Site::at(at.web.context("pages")?)?);
        let victim = Victim::new(&doors, ada).await?;
        victim.plant(&doors).await?;
        let (carol, mallory) = (attempt(&web, &at_the_page).await?, attempt(&web, &mallorys).await?);
        let of_carol = [&carol.email, &carol.link, &carol.session, &at_the_page.password];
        let of_ada = [
            &victim.customer.email,
            &victim.customer.namespace,
            &victim.customer.password,
        ];
        let secrets = of_carol.into_iter().chain(of_ada).cloned().collect();
        let admin = at.admin.context("a door for operators")?;
        Ok::<_, anyhow::Error>(World {
            hostiles: callers::all(&doors, &victim, &eve, &key).await?,
            api: Site::at(at.api)?,
            admin: (Doors::of(admin, admin)?, Site::at(admin)?),
            doors,
            web,
            victim,
            carol,
            mallory,
            secrets,
        })
    })?;
    ensure!(world.hostiles.iter().any(|h| h.who == Who::OtherTenant), "nobody");

    let mut faults = runtime.block_on(async {
        told_to_themselves(&world).await?;
        let mut faults = pages::try_all(&world).await?;
        faults.extend(pages::try_sessions(&world).await?);
        faults.extend(pages::try_own_paths(&world).await?);
        faults.extend(inside::try_all(&world).await?);
        faults.extend(operators::try_all(&world, &operator).await?);
        Ok::<_, anyhow::Error>(faults)
    })?;
    // Her card is stored now; it still pays for nobody else.
    walk_the_pages(&at_the_page.address, &world.carol.email, &[GOOD_CARD])?;
    faults.extend(runtime.block_on(pages::try_sessions(&world))?);
    let carol = at_the_page.done()?;
    faults.extend(runtime.block_on(pages::try_sessions(&world))?);
    ensure!(carol.namespace != world.victim.customer.namespace, "not her own");
    faults.extend(
        platform
            .log()
            .lines()
            .filter(|l| l.contains("panicked"))
            .map(str::to_owned),
    );
    ensure!(faults.is_empty(), "{} holes:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

/// Who has the link is told, and who is at this machine: else all silence would prove nothing.
async fn told_to_themselves(world: &World) -> Result<()> {
    for path in [format!("/subscribe/{}", world.carol.link), "/mailbox.json".to_owned()] {
        let answer = world.web.ask(&Asked::new(Method::GET, path), &Shown::default()).await?;
        ensure!(answer.code == 200 && world.told(&answer).is_some(), "{answer:?}");
    }
    Ok(())
}

/// Opens the provider's page, as the button does.
async fn attempt(web: &Site, at: &AtThePage) -> Result<Attempt> {
    let link = at.address.rsplit('/').next().context("a link")?.to_owned();
    let button = Asked::new(Method::POST, format!("/subscribe/{link}"));
    let answer = web.ask(&button, &Shown::default()).await?;
    let leads = answer.text.lines().next().unwrap_or_default();
    let session = leads.split(['/', '?', '#']).find(|part| part.starts_with("cs_"));
    Ok(Attempt {
        email: at.email.clone(),
        link,
        session: session.with_context(|| format!("no session: {answer:?}"))?.to_owned(),
    })
}
