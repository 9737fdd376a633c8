//! `cronbox tokens`, `token`: who may use a server.

use super::Exit;
use super::client::{Refusal, Server, ServerArgs, part, plain, say, talk};
use super::list::list;
use super::table::{Cell, column};
use crate::access::{Scope, Token, hash, new_token, script_pattern};
use crate::api::{Page, TokenBody};
use crate::audit::{Actor, acting_as};
use crate::clock::Clock;
use crate::run::new_id;
use crate::store::{DatabaseUrl, Store};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

/// What `cronbox tokens` takes.
#[derive(Debug, Args)]
pub(super) struct TokensArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What `cronbox token` takes.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    verb: TokenVerb,
    /// Print one JSON document
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum TokenVerb {
    /// Make a token; it is told only this once
    Create {
        /// A name for it, for people
        name: String,
        /// What it allows: read, run, write, exec, grant, metrics, admin; repeatable
        #[arg(long, required = true, value_delimiter = ',')]
        scope: Vec<String>,
        /// Only for this script, or those that a pattern such as 'team-*' names; repeatable
        #[arg(long)]
        script: Vec<String>,
        /// Only for scripts with this label, key=value; repeatable
        #[arg(long)]
        label: Vec<String>,
        /// When it ends: 90d
        #[arg(long, value_name = "TIME")]
        expires_in: Option<String>,
        /// Write it into this database instead of asking a server: sqlite:PATH or postgres://…
        #[arg(long, value_name = "URL")]
        database: Option<String>,
    },
    /// Remove a token
    Rm {
        /// Its id, or a name that no other token has
        id: String,
    },
}

impl TokensArgs {
    pub(super) fn execute(self) -> Exit {
        let row = |token: &TokenBody| {
            let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
            let when = |time: &Option<String>| time.as_deref().map_or_else(|| Cell::from("never"), Cell::time);
            let limits = token.scripts.iter().chain(&token.labels).flatten();
            vec![
                Cell::from(&*token.id),
                token.name.as_str().into(),
                scopes.join(",").into(),
                limits.cloned().collect::<Vec<_>>().join(" ").into(),
                when(&token.expires_at),
                when(&token.last_used_at),
            ]
        };
        let columns = [
            column("ID"),
            column("NAME").shrinks_to(8),
            column("SCOPES").shrinks_to(6),
            column("ONLY").shrinks_to(6).spare(),
            column("ENDS"),
            column("LAST USED").spare(),
        ];
        talk(async || list(&self.server, "/v1/tokens", self.json, &columns, row).await)
    }
}

impl TokenArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || self.act().await)
    }

    async fn act(&self) -> Result<Exit, Refusal> {
        match &self.verb {
            TokenVerb::Create { database: Some(database), name, scope, script, label, expires_in } => {
                let token = create_in(database, name, scope, script, label, expires_in.as_deref()).await?;
                self.show(&token)
            }
            TokenVerb::Create { name, scope, script, label, expires_in, database: None } => {
                let mut body = json!({"name": name, "scopes": scope, "expires_in": expires_in});
                if !script.is_empty() {
                    body["scripts"] = json!(script);
                }
                if !label.is_empty() {
                    body["labels"] = json!(label);
                }
                let server = Server::new(&self.server)?;
                let (_, token): (_, TokenBody) =
                    server.ask(server.request(Method::POST, "/v1/tokens").json(&body)).await?;
                self.show(&token)
            }
            TokenVerb::Rm { id } => {
                let server = Server::new(&self.server)?;
                let delete = async |id: &str| {
                    server.attempt(server.request(Method::DELETE, &format!("/v1/tokens/{}", part(id)))).await
                };
                if let Err(problem) = delete(id).await? {
                    let named = match problem.status {
                        400 | 404 | 422 => token_named(&server, id).await?,
                        _ => None,
                    };
                    let Some(named) = named else { return Err(server.refused(&problem)) };
                    delete(&named).await?.map_err(|problem| server.refused(&problem))?;
                }
                say(&if self.json { json!({"deleted": id}).to_string() } else { "the token is gone".into() })?;
                Ok(Exit::Succeeded)
            }
        }
    }

    fn show(&self, token: &TokenBody) -> Result<Exit, Refusal> {
        if self.json {
            say(&serde_json::to_string(token).unwrap_or_default())?;
        } else {
            // The token alone on standard output, for a program to take.
            say(token.token.as_deref().unwrap_or_default())?;
            super::complain(&format!("token {} ({}); it is not told again", plain(&token.name, 100), token.id));
        }
        Ok(Exit::Succeeded)
    }
}

/// The id of the token of that name; none if no token has it. Names are for people, and several tokens can have the same.
async fn token_named(server: &Server, name: &str) -> Result<Option<String>, Refusal> {
    let (_, page): (_, Page<TokenBody>) = server.ask(server.request(Method::GET, "/v1/tokens")).await?;
    let ids: Vec<String> = page.items.into_iter().filter(|token| token.name == name).map(|token| token.id).collect();
    match ids.as_slice() {
        [] => Ok(None),
        [id] => Ok(Some(id.clone())),
        several => Err(Refusal::usage(format!(
            "{} tokens have the name {}; type the id of one: {}",
            several.len(),
            plain(name, 100),
            several.join(", ")
        ))),
    }
}

/// Makes a token in the database itself: the way to the first one of a server that others can reach.
async fn create_in(
    database: &str,
    name: &str,
    scopes: &[String],
    scripts: &[String],
    labels: &[String],
    expires_in: Option<&str>,
) -> Result<TokenBody, Refusal> {
    let place = DatabaseUrl::parse(database).map_err(|why| Refusal::usage(format!("--database: {why}")))?;
    if let DatabaseUrl::Sqlite(path) = &place
        && !path.exists()
    {
        return Err(Refusal::usage(format!(
            "there is no database {}; a server makes it when it starts first",
            path.display()
        )));
    }
    let scope = |word: &String| Scope::parse(word).ok_or_else(|| Refusal::usage(format!("{word:?} is no scope")));
    let scopes = scopes.iter().map(scope).collect::<Result<Vec<_>, _>>()?;
    let key = |name: &String| script_pattern(name).map_err(|error| Refusal::usage(error.to_string()));
    let scripts = scripts.iter().map(key).collect::<Result<Vec<_>, _>>()?;
    let now = Clock::system().now();
    let end = expires_in.map(|text| {
        let time =
            crate::quantity::parse_duration(text).map_err(|why| Refusal::usage(format!("--expires-in: {why}")))?;
        let time = chrono::TimeDelta::from_std(time).ok().and_then(|time| now.checked_add_signed(time));
        time.ok_or_else(|| Refusal::usage("--expires-in: that is too long a time"))
    });
    let store = Store::open(&place).await.map_err(Refusal::unavailable)?;
    let secret = new_token().map_err(Refusal::unavailable)?;
    let token = Token {
        id: new_id(now),
        name: name.to_owned(),
        scopes,
        scripts: (!scripts.is_empty()).then_some(scripts),
        labels: (!labels.is_empty()).then(|| labels.to_vec()),
        created_at: now,
        expires_at: end.transpose()?,
        last_used_at: None,
    };
    let actor = Actor::local("create_token", now);
    acting_as(actor, store.add_token(&token, &hash(&secret))).await.map_err(Refusal::unavailable)?;
    store.close().await;
    Ok(TokenBody { token: Some(secret), ..TokenBody::from(&token) })
}
