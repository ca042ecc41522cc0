//! The containers of a stack's functions, looked at and disturbed from outside.
//!
//! Here: what both modes answer alike, asked of the Docker engine or of the runtime-node's containerd. Not here: how the
//! stack makes them.

use crate::command;
use crate::parameters::RunnerMode;
use crate::stack::{Stack, StackError};

/// Containers of functions carry the project of their stack under this label; the agent sets it.
const LABEL_FUNCTIONS_OF: &str = "com.esb.run";
/// And the name of their function under this one, in both modes.
const LABEL_FUNCTION: &str = "com.esb.function";

impl Stack<'_> {
    /// Ids of the containers that run functions of this stack.
    pub fn function_containers(&self) -> Result<Vec<String>, StackError> {
        let only = format!("{LABEL_FUNCTIONS_OF}={}", self.project());
        self.list(&[&only], &format!("labels.\"{LABEL_FUNCTION}\""))
    }

    /// Ids of the containers that run one function: none before its first call, then one.
    pub fn containers_of(&self, function: &str) -> Result<Vec<String>, StackError> {
        let stack = format!("{LABEL_FUNCTIONS_OF}={}", self.project());
        let own = format!("{LABEL_FUNCTION}={function}");
        let filter = format!("labels.\"{LABEL_FUNCTION}\"==\"{function}\"");
        self.list(&[&stack, &own], &filter)
    }

    /// Removes a container of a function behind the stack's back.
    pub fn remove_function_container(&self, id: &str) -> Result<(), StackError> {
        match self.mode() {
            RunnerMode::Docker => {
                let mut remove = self.engine().docker();
                command::run(remove.args(["rm", "--force", "--volumes", id]))?;
            }
            RunnerMode::Containerd => {
                self.ctr(&["tasks", "rm", "--force", id])?;
                self.ctr(&["containers", "rm", id])?;
            }
        }
        Ok(())
    }

    fn list(&self, labels: &[&str], filter: &str) -> Result<Vec<String>, StackError> {
        let ids = match self.mode() {
            RunnerMode::Docker => {
                let mut list = self.engine().docker();
                list.args(["ps", "--all", "--quiet"]);
                for label in labels {
                    list.args(["--filter", &format!("label={label}")]);
                }
                command::run(&mut list)?
            }
            RunnerMode::Containerd => self.ctr(&["containers", "ls", "--quiet", filter])?,
        };
        Ok(ids.lines().map(str::to_owned).collect())
    }

    /// Runs the client of the containerd that runs the functions, and gives what it wrote.
    fn ctr(&self, arguments: &[&str]) -> Result<String, StackError> {
        let node = self.container_of_service(self.mode().runner())?;
        let mut ctr = self.engine().docker();
        ctr.args(["exec", &node, "/bin/ctr", "--namespace", "functions"]);
        Ok(command::run(ctr.args(arguments))?)
    }

    /// Id of the running container of a service.
    fn container_of_service(&self, service: &str) -> Result<String, StackError> {
        let mut list = self.engine().docker();
        list.args(["ps", "--quiet"]);
        for (label, value) in [("project", self.project()), ("service", service)] {
            list.args([
                "--filter",
                &format!("label=com.docker.compose.{label}={value}"),
            ]);
        }
        Ok(command::run(&mut list)?.trim().to_owned())
    }
}
