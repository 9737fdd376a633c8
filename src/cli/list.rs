//! A list of the server's: its document as it is, or a table.

use super::Exit;
use super::client::{Refusal, Server, ServerArgs, say};
use super::table::{Cell, Column, Table};
use crate::api::Page;
use reqwest::Method;
use serde::de::DeserializeOwned;

/// A whole list of the server's: its document as it is, or a table.
pub(super) async fn list<T: DeserializeOwned>(
    server: &ServerArgs,
    path: &str,
    json: bool,
    columns: &[Column],
    row: impl Fn(&T) -> Vec<Cell>,
) -> Result<Exit, Refusal> {
    let server = Server::new(server)?;
    let (text, page): (_, Page<T>) = server.ask(server.request(Method::GET, path)).await?;
    if json {
        say(&text)?;
    } else {
        Table::of(columns, &page.items, row).print()?;
    }
    Ok(Exit::Succeeded)
}
