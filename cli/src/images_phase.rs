//! How far the images of a deploy are, in one line: `images 7/12 built, 1 reused`.

use std::time::Duration;

use engine::machine::{ImageBuilt, ImageSource};
use engine::run::PlannedImage;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The images of a run, and the line that sums them up where lines can be drawn over.
#[derive(Default)]
pub(crate) struct ImagesPhase {
    totals: Totals,
    bar: Option<ProgressBar>,
}

impl ImagesPhase {
    /// It is known what is to be built.
    pub(crate) fn begin(&mut self, totals: Totals) {
        self.totals = totals;
    }

    /// Draws the sum below what is being built.
    pub(crate) fn draw(&mut self, bars: &MultiProgress) {
        if self.bar.is_none() {
            let bar = bars.add(spinner("{spinner} {wide_msg} {elapsed}"));
            bar.set_message(self.totals.sentence().unwrap_or_default());
            bar.enable_steady_tick(TICK);
            self.bar = Some(bar);
        }
    }

    /// Counts an image. The last one ends the phase, whose sum is then to stay as a line.
    pub(crate) fn add(&mut self, image: &ImageBuilt) -> Option<String> {
        let is_last = self.totals.add(image);
        let sentence = self.totals.sentence();
        if is_last {
            self.end();
            return sentence;
        }
        if let Some(bar) = &self.bar {
            bar.set_message(sentence.unwrap_or_default());
        }
        None
    }

    /// Takes the sum away.
    pub(crate) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// How often a line that waits turns. One that turns before it has its place draws a line that stays behind.
pub(crate) const TICK: Duration = Duration::from_millis(120);

/// A line that waits, without a place yet.
pub(crate) fn spinner(template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

/// Counts of the images of a deploy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Images to build.
    pub(crate) to_build: usize,
    /// Images of those that are there.
    pub(crate) built: usize,
    /// Images that are taken as they are.
    pub(crate) reused: usize,
}

impl Totals {
    /// What a plan of images comes to.
    pub(crate) fn planned(images: &[PlannedImage]) -> Self {
        let is_built = |image: &&PlannedImage| image.source == ImageSource::Built;
        let to_build = images.iter().filter(is_built).count();
        Self {
            to_build,
            built: 0,
            reused: images.len() - to_build,
        }
    }

    /// Counts an image that is there now; says whether it was the last one to build.
    pub(crate) fn add(&mut self, image: &ImageBuilt) -> bool {
        if image.source != ImageSource::Built {
            return false;
        }
        self.built += 1;
        self.built == self.to_build
    }

    /// The line; nothing where no image is built.
    pub(crate) fn sentence(&self) -> Option<String> {
        if self.to_build == 0 {
            return None;
        }
        let reused = match self.reused {
            0 => String::new(),
            reused => format!(", {reused} reused"),
        };
        Some(format!(
            "images {}/{} built{reused}",
            self.built, self.to_build
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_many_of_how_many() {
        let mut totals = Totals {
            to_build: 12,
            built: 7,
            reused: 1,
        };
        let said = totals.sentence();
        assert_eq!(said.as_deref(), Some("images 7/12 built, 1 reused"));
        totals.reused = 0;
        let said = totals.sentence();
        assert_eq!(said.as_deref(), Some("images 7/12 built"));
        totals.to_build = 0;
        assert_eq!(totals.sentence(), None);
    }
}
