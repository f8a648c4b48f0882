//! `[hints]`: from its texts to settings.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;

use super::Mistake;
use super::settings::HintSettings;
use super::written::Written;

/// The most peers: each of them gets every hint.
const PEERS_MAX: usize = 64;

/// Reads the table, if it is there. What is wrong with its texts is added to the mistakes.
pub fn settle(written: &Written, folder: &Path, mistakes: &mut Vec<Mistake>) -> Option<HintSettings> {
    let table = written.table("hints")?;
    table.span.as_ref()?;
    let mut address = |text: &str, place: Range<usize>| {
        let address = text.parse::<SocketAddr>().ok().filter(|address| address.port() != 0);
        if address.is_none() {
            mistakes.push(Mistake::at(place, "expected an IP address and a port").help("as \"192.0.2.1:2424\""));
        }
        address
    };
    let listen = table.text("listen").and_then(|text| address(text, table.place("listen").unwrap_or_default()));
    let texts = table.texts("peers");
    let peers: Vec<_> = texts.iter().filter_map(|(text, place)| Some((address(text, place.clone())?, place))).collect();
    if texts.len() > PEERS_MAX {
        mistakes.push(Mistake::at(table.place("peers").unwrap_or_default(), format!("more than {PEERS_MAX} peers")));
    }
    let listen = listen?;
    for (_, place) in peers.iter().filter(|(peer, _)| peer.is_ipv4() != listen.is_ipv4()) {
        let help = "`listen` and `peers` are all IPv4 or all IPv6";
        mistakes.push(Mistake::at((*place).clone(), "hints cannot get there from `listen`").help(help));
    }
    Some(HintSettings {
        listen,
        peers: peers.into_iter().map(|(peer, _)| peer).collect(),
        secret_file: folder.join(table.text("secret_file")?),
    })
}
