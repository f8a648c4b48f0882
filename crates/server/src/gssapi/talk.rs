//! One exchange: the ticket, our proof, the layers that we offer, the client's choice (RFC 4752 §3.2).

use kerberos::{Acceptor, Error};
use proto::sasl::gssapi::{Heard, LAYERS, choice};

use super::NoCredentials;
use super::principal::{is_for_us, login};
use crate::config::GssapiSettings;

/// One exchange.
#[derive(Debug)]
pub struct Talk {
    acceptor: Acceptor,
    stage: Stage,
}

/// What the client's next token is.
#[derive(Debug)]
enum Stage {
    Ticket,
    /// Nothing: it has heard our proof.
    Nothing {
        login: String,
    },
    Choice {
        login: String,
    },
}

impl Talk {
    pub fn begin(settings: &GssapiSettings) -> Result<Talk, NoCredentials> {
        let no_credentials = |error: Error| {
            let keytab = settings.keytab.display().to_string();
            NoCredentials { keytab, reason: error.to_string() }
        };
        let acceptor = Acceptor::new(&settings.keytab).map_err(no_credentials)?;
        Ok(Talk { acceptor, stage: Stage::Ticket })
    }

    pub fn hear(&mut self, token: &[u8], settings: &GssapiSettings, service: &str) -> Heard {
        self.take(token, settings, service).unwrap_or_else(Heard::Failed)
    }

    fn take(&mut self, token: &[u8], settings: &GssapiSettings, service: &str) -> Result<Heard, String> {
        match std::mem::replace(&mut self.stage, Stage::Ticket) {
            Stage::Ticket => self.ticket(token, settings, service),
            Stage::Nothing { login } if token.is_empty() => self.offer(login),
            Stage::Nothing { .. } => Err("something was said where nothing is to be said".to_owned()),
            Stage::Choice { login } => {
                let message = self.acceptor.unwrap(token).map_err(shown)?;
                let authorization = choice(&message).map_err(|_| "the choice of a layer is malformed".to_owned())?;
                Ok(Heard::Proved { login, authorization })
            }
        }
    }

    fn ticket(&mut self, token: &[u8], settings: &GssapiSettings, service: &str) -> Result<Heard, String> {
        let proof = self.acceptor.accept(token).map_err(shown)?;
        if !self.acceptor.is_established().map_err(shown)? {
            return Ok(Heard::Challenge(proof));
        }
        is_for_us(&self.acceptor.service().map_err(shown)?, service, settings)?;
        let login = login(&self.acceptor.client().map_err(shown)?, settings)?;
        if proof.is_empty() {
            return self.offer(login);
        }
        self.stage = Stage::Nothing { login };
        Ok(Heard::Challenge(proof))
    }

    fn offer(&mut self, login: String) -> Result<Heard, String> {
        let layers = self.acceptor.wrap(&LAYERS).map_err(shown)?;
        self.stage = Stage::Choice { login };
        Ok(Heard::Challenge(layers))
    }
}

fn shown(error: Error) -> String {
    error.to_string().trim().to_owned()
}
