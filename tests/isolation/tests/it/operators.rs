//! The operators' door: nobody's token opens it but an operator's, and its probes say nothing of a tenant.

use anyhow::{Result, ensure};
use micro_isolation::{
    doors::{Door, Question, Shown},
    endpoints::{self, Endpoint},
    requests::{self, Filling},
    site::Asked,
};
use micro_rpc::MethodKind;
use micro_serve::probes::Probe;
use reqwest::Method;

use crate::elsewhere::World;

/// Who has none yet asks for one here, with a secret.
const FOR_STRANGERS: &str = "operators.Operators/Login";

/// Every rpc and every probe of it, by everybody hostile and by tokens that are nearly an operator's.
pub async fn try_all(world: &World, operator: &str) -> Result<Vec<String>> {
    let (rpcs, site) = &world.admin;
    let mut faults = Vec::new();
    let theirs = Shown {
        token: Some(operator.into()),
        header: None,
    };
    let customers = Question::parse("/operators.Customers/List", MethodKind::Unary, "{}".parse()?)?;
    let answer = rpcs.ask(Door::Grpc, &customers, &theirs).await?;
    ensure!(
        answer.code == 200 && world.told(&answer).is_some(),
        "operators see nobody: {answer:?}"
    );
    let (start, end) = operator.split_at(operator.len() / 2);
    let nearly = [
        operator.to_uppercase(),
        start.to_owned(),
        end.to_owned(),
        format!("{operator}x"),
    ];
    let nearly = nearly.into_iter().map(|token| Shown {
        token: Some(token.into()),
        header: None,
    });
    let shown = world.hostiles.iter().map(|hostile| hostile.shown.clone());
    let nobody = [Shown::default()];
    for (number, shown) in shown.chain(nearly).chain(nobody).enumerate() {
        for endpoint in endpoints::all() {
            let answer = rpcs.ask(Door::Grpc, &question(world, &endpoint), &shown).await?;
            let wrong = match endpoint.service {
                _ if world.told(&answer).is_some() => world.told(&answer),
                "operators" if endpoint.name() == FOR_STRANGERS => {
                    (!(400..500).contains(&answer.code)).then(|| "a guess is no secret".to_owned())
                }
                "operators" if endpoint.handler != "Debug" => (answer.code != 401).then(|| "not refused".to_owned()),
                _ => (answer.code != 404 && answer.code != 501).then(|| "a tenant's rpc, here".to_owned()),
            };
            let what = format!("{} at the operators' door, by caller {number}", endpoint.name());
            faults.extend(wrong.map(|why| World::fault(&what, &why, &answer)));
        }
        for probe in Probe::ALL {
            let asked = Asked::new(Method::GET, probe.path());
            let answer = site.ask(&asked, &shown).await?;
            let says = match probe {
                Probe::Live | Probe::Ready => answer.text == "ok\n",
                Probe::Metrics => answer.text.ends_with("# EOF\n"),
            };
            let told = world.told(&answer);
            let wrong = told.or_else(|| (answer.code != 200 || !says).then(|| "no answer".to_owned()));
            faults.extend(wrong.map(|why| World::fault(probe.path(), &why, &answer)));
        }
    }
    Ok(faults)
}

fn question(world: &World, endpoint: &Endpoint) -> Question {
    let filling = Filling {
        known: &world.victim.known,
        naming: Some(&world.victim.known.namespace),
        text: None,
    };
    Question {
        service: endpoint.service.into(),
        handler: endpoint.handler.into(),
        method: endpoint.method.name.into(),
        kind: endpoint.method.kind,
        body: requests::body(endpoint.method.request, filling),
        may_stream: false,
    }
}
