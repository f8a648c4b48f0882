//! Who answers whom: the threading algorithms of RFC 5256 (ORDEREDSUBJECT, REFERENCES), and REFS, which is REFERENCES without
//! a look at subjects, the thread that was written to last being the last. Pure; the store brings the messages.
//!
//! Promises: every message is in one place of one thread; no recursion, however deep threads are; however messages refer to each
//! other, the work is near their number.

mod ids;
mod links;

use std::collections::HashMap;

use crate::Uid;
use crate::digest::{Fields, Want};
use crate::sort::{Facts, collated_subject, sent_date};
use crate::subject::BaseSubject;
use ids::MessageIds;
use links::Link;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    OrderedSubject,
    References,
    Refs,
}

/// What is known of a message. The messages are given in the order of the mailbox.
#[derive(Debug, Clone)]
pub struct Message {
    pub uid: Uid,
    date: i64,
    subject: BaseSubject,
    ids: MessageIds,
}

/// Threads, each a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Threads {
    pub roots: Vec<usize>,
    pub nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// `None` only at the root of a thread, for messages whose common parent is not there.
    pub uid: Option<Uid>,
    pub children: Vec<usize>,
}

impl Algorithm {
    /// What must be known.
    pub fn want(self) -> Want {
        let names: &[&str] = match self {
            Algorithm::OrderedSubject => &["date", "subject"],
            Algorithm::References => &["date", "in-reply-to", "message-id", "references", "subject"],
            Algorithm::Refs => &["date", "in-reply-to", "message-id", "references"],
        };
        let fields = Fields::Named(names.iter().map(|name| name.as_bytes().to_vec()).collect());
        Want { fields, ..Want::FACTS }
    }

    pub fn message(self, uid: Uid, facts: Facts<'_>) -> Message {
        let subject = if self == Algorithm::Refs { BaseSubject::default() } else { collated_subject(facts.header) };
        let ids = if self == Algorithm::OrderedSubject { MessageIds::default() } else { MessageIds::of(facts.header) };
        Message { uid, date: sent_date(facts), subject, ids }
    }

    pub fn threads(self, messages: &[Message]) -> Threads {
        match self {
            Algorithm::OrderedSubject => ordered_subject(messages),
            Algorithm::References => Builder::linked(messages).by_references(),
            Algorithm::Refs => Builder::linked(messages).by_latest(),
        }
    }
}

/// The fields that [`first_message`] reads.
pub const FIRST_FIELDS: [&str; 3] = ["in-reply-to", "message-id", "references"];

/// The Message-ID of the message that began a thread, as far as one of its messages tells: the first of References, else of
/// In-Reply-To, else its own. It depends on nothing but the message, so it is the same wherever and whenever it is asked for.
pub fn first_message(header: &[u8]) -> Option<Vec<u8>> {
    ids::first(header)
}

fn ordered_subject(messages: &[Message]) -> Threads {
    let mut order: Vec<usize> = (0..messages.len()).collect();
    let subject = |at: usize| messages[at].subject.text.as_str();
    order.sort_by(|one, other| {
        (subject(*one), messages[*one].date, *one).cmp(&(subject(*other), messages[*other].date, *other))
    });
    let mut threads = Threads::default();
    threads.nodes.extend(messages.iter().map(|message| Node { uid: Some(message.uid), children: Vec::new() }));
    for group in order.chunk_by(|one, other| subject(*one) == subject(*other)) {
        let Some((first, rest)) = group.split_first() else { continue };
        threads.roots.push(*first);
        threads.nodes[*first].children = rest.to_vec();
    }
    threads.roots.sort_by_key(|root| (messages[*root].date, *root));
    threads
}

/// Threads in the making: the first nodes are the messages, in their order; behind them stand the dummies.
struct Builder<'a> {
    messages: &'a [Message],
    threads: Threads,
}

impl<'a> Builder<'a> {
    /// Steps 1 to 3.
    fn linked(messages: &'a [Message]) -> Builder<'a> {
        let links = links::link(messages);
        let mut nodes: Vec<Node> =
            messages.iter().map(|message| Node { uid: Some(message.uid), ..Node::default() }).collect();
        nodes.resize_with(links.len(), Node::default);
        let mut builder = Builder { messages, threads: Threads { roots: Vec::new(), nodes } };
        let mut tops = Vec::new();
        for (at, link) in links::without_dummies(&links, messages.len()).into_iter().enumerate() {
            match link {
                Link::Below(parent) => builder.threads.nodes[parent].children.push(at),
                Link::Top => builder.threads.roots.push(at),
                Link::BelowDummy(dummy) => {
                    let children = &mut builder.threads.nodes[dummy].children;
                    if children.is_empty() {
                        tops.push(dummy);
                    }
                    children.push(at);
                }
            }
        }
        // "Do not promote the children if doing so would make them children of the root, unless there is only one child."
        for dummy in tops {
            match builder.threads.nodes[dummy].children[..] {
                [only] => builder.threads.roots.push(only),
                _ => builder.threads.roots.push(dummy),
            }
        }
        builder
    }

    /// Steps 4 to 6.
    fn by_references(mut self) -> Threads {
        self.sort_children();
        self.sort_roots();
        self.merge_by_subject();
        self.sort_children();
        self.sort_roots();
        self.threads
    }

    fn by_latest(mut self) -> Threads {
        self.sort_children();
        let mut latest: Vec<(i64, usize)> = self.threads.roots.iter().map(|root| (self.latest(*root), *root)).collect();
        latest.sort_by_key(|(date, root)| (*date, self.first_message(*root)));
        self.threads.roots = latest.into_iter().map(|(_, root)| root).collect();
        self.threads
    }

    /// A dummy stands where its first child stands.
    fn first_message(&self, node: usize) -> usize {
        if node < self.messages.len() {
            return node;
        }
        self.threads.nodes[node].children.first().copied().unwrap_or(node)
    }

    fn order(&self, node: usize) -> (i64, usize) {
        let first = self.first_message(node);
        (self.messages.get(first).map_or(i64::MAX, |message| message.date), first)
    }

    fn sort_children(&mut self) {
        for at in 0..self.threads.nodes.len() {
            let mut children = std::mem::take(&mut self.threads.nodes[at].children);
            children.sort_by_key(|child| self.order(*child));
            self.threads.nodes[at].children = children;
        }
    }

    fn sort_roots(&mut self) {
        let mut roots = std::mem::take(&mut self.threads.roots);
        roots.sort_by_key(|root| self.order(*root));
        self.threads.roots = roots;
    }

    /// The date of the latest message of a thread.
    fn latest(&self, root: usize) -> i64 {
        let mut latest = i64::MIN;
        let mut waiting = vec![root];
        while let Some(at) = waiting.pop() {
            latest = latest.max(self.messages.get(at).map_or(i64::MIN, |message| message.date));
            waiting.extend(&self.threads.nodes[at].children);
        }
        latest
    }

    /// Step 5: threads of one subject become one.
    fn merge_by_subject(&mut self) {
        let mut table: HashMap<&'a str, usize> = HashMap::new();
        let roots = std::mem::take(&mut self.threads.roots);
        for &root in &roots {
            let Some((subject, is_reply)) = self.subject(root) else { continue };
            let holder = table.entry(subject).or_insert(root);
            let holder_is_reply = self.messages.get(*holder).map(|message| message.subject.is_reply);
            // In the table stands a message; better is a dummy, and better than a reply is what was answered.
            if let Some(holder_is_reply) = holder_is_reply
                && (self.is_dummy(root) || (holder_is_reply && !is_reply))
            {
                *holder = root;
            }
        }
        for &root in &roots {
            let Some((subject, is_reply)) = self.subject(root) else {
                self.threads.roots.push(root);
                continue;
            };
            let Some(holder) = table.get_mut(subject) else { continue };
            if *holder != root {
                self.merge(root, is_reply, holder);
            }
        }
        let mut holders: Vec<usize> = table.into_values().collect();
        self.threads.roots.append(&mut holders);
    }

    /// Puts a thread below or beside the one that stands in the table.
    fn merge(&mut self, root: usize, is_reply: bool, holder: &mut usize) {
        let holder_is_reply = self.messages.get(*holder).map(|message| message.subject.is_reply);
        match (self.is_dummy(root), holder_is_reply) {
            (true, None) => {
                let children = std::mem::take(&mut self.threads.nodes[root].children);
                self.threads.nodes[*holder].children.extend(children);
            }
            (false, None) => self.threads.nodes[*holder].children.push(root),
            (_, Some(false)) if is_reply => self.threads.nodes[*holder].children.push(root),
            _ => {
                self.threads.nodes.push(Node { uid: None, children: vec![*holder, root] });
                *holder = self.threads.nodes.len() - 1;
            }
        }
    }

    fn is_dummy(&self, node: usize) -> bool {
        node >= self.messages.len()
    }

    /// The thread's subject; `None` when it is empty. A dummy answers nobody.
    fn subject(&self, root: usize) -> Option<(&'a str, bool)> {
        let messages: &'a [Message] = self.messages;
        let message = messages.get(self.first_message(root))?;
        let is_reply = message.subject.is_reply && !self.is_dummy(root);
        (!message.subject.text.is_empty()).then_some((message.subject.text.as_str(), is_reply))
    }
}

#[cfg(test)]
mod tests;
