//! The tables and buckets of a stack, asked for as any client asks.
//!
//! Here: their names. Not here: making them, which a deploy has the provisioner do.

use std::io::{Error, Result};
use std::time::{Duration, Instant};

use crate::http::{self, Reply};
use crate::stack::Stack;

/// The server comes up after the stack: most deploys do not need it.
const UP_LIMIT: Duration = Duration::from_secs(60);
const UP_PAUSE: Duration = Duration::from_millis(100);

/// The server tells its services apart by the scope of the credential; it checks no signature.
fn credential(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=stack-access/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0"
    )
}

impl Stack<'_> {
    /// The names of all tables.
    pub fn tables(&self) -> Result<Vec<String>> {
        let credential = credential("dynamodb");
        let headers = [
            ("Authorization", credential.as_str()),
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", "DynamoDB_20120810.ListTables"),
        ];
        let reply = self.ask_storage("POST", &headers, "{}")?;
        let names = reply.json()["TableNames"].take();
        serde_json::from_value(names).map_err(|_| Error::other(format!("no tables: {reply:?}")))
    }

    /// The names of all buckets.
    pub fn buckets(&self) -> Result<Vec<String>> {
        let credential = credential("s3");
        let headers = [("Authorization", credential.as_str())];
        let reply = self.ask_storage("GET", &headers, "")?;
        if reply.status != 200 {
            return Err(Error::other(format!("no buckets: {reply:?}")));
        }
        let names = reply.body.split("<Name>").skip(1);
        let names = names.filter_map(|rest| rest.split_once("</Name>"));
        Ok(names.map(|(name, _)| name.to_owned()).collect())
    }

    fn ask_storage(&self, method: &str, headers: &[(&str, &str)], body: &str) -> Result<Reply> {
        let deadline = Instant::now() + UP_LIMIT;
        loop {
            match http::call_with(self.storage_port(), method, "/", headers, body) {
                Err(_) if Instant::now() < deadline => std::thread::sleep(UP_PAUSE),
                answered => return answered,
            }
        }
    }
}
