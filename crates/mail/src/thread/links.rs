//! Steps 1 to 3 of REFERENCES: whose child each message is.
//!
//! Only parents are kept while links are made; children follow from them.

use std::collections::HashMap;

use super::Message;

/// Steps up chains of parents in search of loops, for all messages together. When they are used up, whatever would have to be
/// looked for counts as a loop, so that nobody's headers make us walk for ever: not with one long chain, nor with many.
const STEPS_MAX: usize = 10_000_000;

/// The parent of each node: the messages, in their order, then the dummies.
pub(super) type Links = Vec<Option<usize>>;

/// Where a message stands once the dummies between messages are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Top,
    Below(usize),
    /// Its thread's root is not there.
    BelowDummy(usize),
}

/// Step 1.
pub(super) fn link(messages: &[Message]) -> Links {
    link_within(messages, STEPS_MAX)
}

fn link_within(messages: &[Message], mut steps_left: usize) -> Links {
    let mut links: Links = vec![None; messages.len()];
    let mut has_children = vec![false; messages.len()];
    let mut nodes: HashMap<&[u8], usize> = HashMap::with_capacity(messages.len());
    for (at, message) in messages.iter().enumerate() {
        if let Some(own) = &message.ids.own {
            // "then only use that Message ID in the first (lowest sequence number) message".
            nodes.entry(own).or_insert(at);
        }
    }
    for (at, message) in messages.iter().enumerate() {
        let mut before = None;
        for id in &message.ids.references {
            let node = *nodes.entry(id).or_insert_with(|| {
                links.push(None);
                has_children.push(false);
                links.len() - 1
            });
            if let Some(parent) = before
                && links[node].is_none()
                && !loops(&links, &has_children, parent, node, &mut steps_left)
            {
                links[node] = Some(parent);
                has_children[parent] = true;
            }
            before = Some(node);
        }
        // B: what a message itself says of its parent counts more than what others said.
        links[at] = None;
        if let Some(parent) = before.filter(|parent| !loops(&links, &has_children, *parent, at, &mut steps_left)) {
            links[at] = Some(parent);
            has_children[parent] = true;
        }
    }
    links
}

/// Whether `parent` is `child`, or a descendant of it.
fn loops(links: &Links, has_children: &[bool], parent: usize, child: usize, steps_left: &mut usize) -> bool {
    if parent == child {
        return true;
    }
    if !has_children[child] {
        return false;
    }
    let mut above = std::iter::successors(links[parent], |at| links[*at]);
    above.any(|at| {
        let is_used_up = *steps_left == 0;
        *steps_left = steps_left.saturating_sub(1);
        at == child || is_used_up
    })
}

/// Steps 2 and 3, for each message.
pub(super) fn without_dummies(links: &Links, messages: usize) -> Vec<Link> {
    // Where a way up from each dummy ends. Each is walked once.
    let mut ends: Vec<Option<Link>> = vec![None; links.len() - messages];
    let mut way = Vec::new();
    let mut result = Vec::with_capacity(messages);
    for message in 0..messages {
        let Some(mut at) = links[message] else {
            result.push(Link::Top);
            continue;
        };
        way.clear();
        let end = loop {
            if at < messages {
                break Link::Below(at);
            }
            if let Some(known) = ends[at - messages] {
                break known;
            }
            way.push(at - messages);
            match links[at] {
                Some(parent) => at = parent,
                None => break Link::BelowDummy(at),
            }
        };
        for dummy in &way {
            ends[*dummy] = Some(end);
        }
        result.push(end);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Uid;
    use crate::thread::{Algorithm, Facts};

    #[test]
    fn the_steps_of_all_messages_are_bounded_together() {
        let chain: String = (0..100).map(|number| format!(" <x{number}@x>\r\n")).collect();
        // The last two have a child when they are linked below the chain, so that a loop is looked for.
        let headers = [
            "Message-ID: <1@x>\r\nReferences: <a@x>\r\n".to_owned(),
            "Message-ID: <2@x>\r\nReferences: <b@x>\r\n".to_owned(),
            format!("Message-ID: <3@x>\r\nReferences:{chain}"),
            "Message-ID: <a@x>\r\nReferences: <x99@x>\r\n".to_owned(),
            "Message-ID: <b@x>\r\nReferences: <x99@x>\r\n".to_owned(),
        ];
        let message = |(header, uid): (&String, u32)| {
            let facts = Facts { size: 1, internal_date: 0, header: header.as_bytes() };
            Algorithm::References.message(Uid::new(uid).unwrap(), facts)
        };
        let messages: Vec<Message> = headers.iter().zip(1..).map(message).collect();
        let linked = |steps| link_within(&messages, steps)[3..5].iter().map(Option::is_some).collect::<Vec<_>>();
        assert_eq!(linked(STEPS_MAX), [true, true]);
        assert_eq!(linked(150), [true, false]);
        assert_eq!(linked(50), [false, false]);
    }
}
