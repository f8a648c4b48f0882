//! Who may do what in a mailbox (RFC 4314): what the room tells of it, and changes.

use mail::acl::Identifier;
use proto::imap::ask::Answer;

use super::Room;
use crate::house::imap::acl::{self, Change};
use crate::house::imap::others::{Place, Sharing};
use crate::house::imap::permission;

impl Room {
    pub(super) fn acl(&self, place: &Place) -> store::Result<Answer> {
        self.there(place)?;
        Ok(Answer::Acl(acl::told(&*place.account.acl(&place.name)?, place.owner.as_deref())))
    }

    pub(super) fn my_rights(&self, place: &Place) -> store::Result<Answer> {
        self.there(place)?;
        let rights = place.rights()?;
        if permission::may_ask_for_rights(rights) {
            Ok(Answer::Rights(rights))
        } else {
            Err(store::Error::NoSuchMailbox)
        }
    }

    pub(super) fn change_acl(&self, place: &Place, change: Change) -> store::Result<Answer> {
        let open = self.sharing().is_some_and(|sharing| sharing.anyone);
        let everybody = matches!(change.who.identifier, Identifier::Anyone | Identifier::Authenticated);
        if everybody && !open && change.rights.is_some() && !change.who.negative {
            return Err(store::Error::NotAllowed("Nothing can be shared with everybody here"));
        }
        let one_name = match &change.who.identifier {
            Identifier::User(typed) => self.met.get(typed).map(|neighbour| neighbour.name.as_str()),
            _ => None,
        };
        self.there(place)?;
        let change = |acl: &mut store::Acl| acl::change(acl, change, one_name, place.owner.as_deref(), &place.viewer);
        place.account.change_acl(&place.name, change)?;
        self.publish(place)
    }

    /// Tells the dictionary with whom the account of this place shares now.
    pub(super) fn publish(&self, place: &Place) -> store::Result<Answer> {
        // What is nobody's is listed for everybody who may look it up.
        if let (Some(sharing), Some(owner)) = (self.sharing(), &place.owner) {
            sharing.dict.publish(owner, &place.account.shared_with()?)?;
        }
        Ok(Answer::Done)
    }

    pub(super) fn sharing(&self) -> Option<&Sharing> {
        self.shared.as_ref()?.sharing.as_ref()
    }
}
