//! The pages of the image that most runs write.

use super::PAGE;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Most hot pages. Each is a page of memory for every slot, and overwriting it costs every run some 0.2 µs.
const MOST: usize = 512;
/// A page that so many of the last [`LAST`] searches found becomes hot.
const OFTEN: u32 = 16;
const LAST: u32 = 64;

/// The hot pages, as numbers of pages of the image. None ever leaves.
#[derive(Debug, Default)]
pub(super) struct HotPages {
    pages: BTreeSet<u32>,
    /// The same, joined to ranges of bytes.
    stretches: Vec<Range<usize>>,
    /// How often other pages were found lately.
    found: BTreeMap<u32, u32>,
    searches: u32,
}

impl HotPages {
    /// Adds pages that are in an image of `length` bytes, up to the most.
    pub(super) fn add(&mut self, pages: impl IntoIterator<Item = u32>, length: usize) {
        for page in pages {
            if self.pages.len() < MOST && (page as usize + 1) * PAGE <= length {
                self.pages.insert(page);
            }
        }
        self.stretches.clear();
        for page in &self.pages {
            let (start, end) = (*page as usize * PAGE, (*page as usize + 1) * PAGE);
            match self.stretches.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => self.stretches.push(start..end),
            }
        }
    }

    /// Returns the hot pages as ranges of bytes, in order.
    pub(super) fn stretches(&self) -> &[Range<usize>] {
        &self.stretches
    }

    /// Returns the numbers of the pages.
    pub(super) fn pages(&self) -> impl Iterator<Item = u32> {
        self.pages.iter().copied()
    }

    /// Takes the hot pages out of a stretch of pages, and calls `each` for what is left.
    pub(super) fn cold(&self, stretch: Range<usize>, mut each: impl FnMut(Range<usize>)) {
        let first = self.stretches.partition_point(|hot| hot.end <= stretch.start);
        let mut start = stretch.start;
        for hot in self.stretches[first..].iter().take_while(|hot| hot.start < stretch.end) {
            if start < hot.start {
                each(start..hot.start);
            }
            start = hot.end;
        }
        if start < stretch.end {
            each(start..stretch.end);
        }
    }

    /// Notes what a search found cold. Pages that are found often become hot.
    pub(super) fn note(&mut self, cold: &[Range<usize>], length: usize) {
        self.count(cold);
        if self.searches.is_multiple_of(LAST) {
            self.add_found(OFTEN, length);
        }
    }

    /// Notes what a search found cold, for [`HotPages::add_found`].
    pub(super) fn count(&mut self, cold: &[Range<usize>]) {
        self.searches += 1;
        // A run that writes a lot says nothing about others.
        if cold.iter().map(|range| range.len() / PAGE).sum::<usize>() > MOST {
            return;
        }
        for page in cold.iter().flat_map(|range| range.start / PAGE..range.end / PAGE) {
            *self.found.entry(page as u32).or_default() += 1;
        }
    }

    /// Adds the pages that at least so many searches found.
    pub(super) fn add_found(&mut self, least: u32, length: usize) {
        let found = std::mem::take(&mut self.found);
        self.add(found.into_iter().filter(|(_, times)| *times >= least).map(|(page, _)| page), length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(range: Range<usize>) -> Range<usize> {
        range.start * PAGE..range.end * PAGE
    }

    fn cold(hot: &HotPages, stretch: Range<usize>) -> Vec<(usize, usize)> {
        let mut left = Vec::new();
        hot.cold(pages(stretch), |range| left.push((range.start / PAGE, range.end / PAGE)));
        left
    }

    #[test]
    fn pages_are_joined_and_taken_out() {
        let mut hot = HotPages::default();
        hot.add([9, 2, 3, 5, 100], 50 * PAGE);
        assert_eq!(hot.stretches(), [pages(2..4), pages(5..6), pages(9..10)]);
        assert_eq!(cold(&hot, 0..20), [(0, 2), (4, 5), (6, 9), (10, 20)]);
        assert_eq!(cold(&hot, 3..6), [(4, 5)]);
        assert!(cold(&hot, 2..4).is_empty());
        assert_eq!(cold(&hot, 10..11), [(10, 11)]);
        assert_eq!(cold(&HotPages::default(), 1..2), [(1, 2)]);
    }

    #[test]
    fn a_page_that_is_often_found_becomes_hot() {
        let mut hot = HotPages::default();
        for search in 0..LAST as usize {
            let rare = 10 + search;
            let often = if search.is_multiple_of(4) { pages(3..4) } else { pages(rare..rare + 1) };
            hot.note(&[often], 200 * PAGE);
        }
        assert_eq!(hot.stretches(), [pages(3..4)]);
        for _ in 0..LAST {
            hot.note(&[pages(0..MOST + 1)], usize::MAX);
        }
        assert_eq!(hot.stretches(), [pages(3..4)]);
    }

    #[test]
    fn there_are_not_too_many() {
        let mut hot = HotPages::default();
        hot.add(0..u32::try_from(2 * MOST).expect("small"), usize::MAX);
        assert_eq!(hot.pages().count(), MOST);
    }
}
