//! Whose files are: `--chown` and `USER`, by number and by the names of the stage's `/etc/passwd` and `/etc/group`.

use super::index::{GROUP, PASSWD};
use super::rootfs::{Owner, Rootfs};
use super::tree::FileTree;

/// Reads `user`, `user:group` or `:group`. A number is user and group in one; a name brings its own group.
pub(super) fn owner(written: &str, rootfs: &Rootfs<'_>) -> Result<Owner, String> {
    let (user, group) = match written.split_once(':') {
        None => (written, None),
        Some((user, group)) => (user, Some(group)),
    };
    let mut owner = Owner::default();
    if let Ok(number) = user.parse::<u32>() {
        owner.uid = u64::from(number);
        owner.gid = u64::from(number);
    } else {
        let found = line(user, PASSWD, FileTree::passwd, rootfs)?;
        owner.uid = number(&found, 2, PASSWD)?;
        owner.gid = number(&found, 3, PASSWD)?;
    }
    let Some(group) = group else {
        return Ok(owner);
    };
    owner.gid = if let Ok(number) = group.parse::<u32>() {
        u64::from(number)
    } else {
        number(&line(group, GROUP, FileTree::group, rootfs)?, 2, GROUP)?
    };
    Ok(owner)
}

/// The fields of the line that begins with this name. A file that the Dockerfile put, or that a link leads to, is not read here.
fn line(
    name: &str,
    file: &str,
    text: fn(&FileTree) -> Option<&str>,
    rootfs: &Rootfs<'_>,
) -> Result<Vec<String>, String> {
    let text = rootfs.untouched(file).and_then(text);
    let text = text.ok_or_else(|| format!("the base has no `/{file}` that can be read"))?;
    let fields = text
        .lines()
        .map(|line| {
            line.trim()
                .split(':')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .find(|fields| fields.first().is_some_and(|first| first == name));
    fields
        .filter(|_| !name.is_empty())
        .ok_or_else(|| format!("`{}` is not in `/{file}`", name.escape_debug()))
}

fn number(fields: &[String], index: usize, file: &str) -> Result<u64, String> {
    let number = fields
        .get(index)
        .and_then(|field| field.parse::<u32>().ok());
    number
        .map(u64::from)
        .ok_or_else(|| format!("a line of `/{file}` has no number"))
}
