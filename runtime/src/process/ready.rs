//! Sandboxes that are made before their run exists, divided among the images of a process by use.

use crate::memory::ImageNumber;
use std::collections::{BTreeMap, VecDeque};

/// Runs by which the use of an image is told: the last ones.
const LAST: usize = 64;

/// The sandboxes that are ready.
pub(super) struct Ready<S> {
    /// How many there are to be, of all images.
    wanted: usize,
    waiting: BTreeMap<ImageNumber, VecDeque<S>>,
    /// The images of the last runs.
    last: VecDeque<ImageNumber>,
    /// How often each image was used by these. The images of guests always count once more.
    uses: BTreeMap<ImageNumber, usize>,
    /// How many sandboxes there are to be of each image.
    shares: BTreeMap<ImageNumber, usize>,
}

impl<S> Ready<S> {
    /// Nothing is ready yet. `bases` are the images of the guests.
    pub(super) fn new(wanted: usize, bases: impl IntoIterator<Item = ImageNumber>) -> Self {
        let uses: BTreeMap<_, _> = bases.into_iter().map(|base| (base, 1)).collect();
        let shares = shares(wanted, &uses);
        Ready { wanted, waiting: BTreeMap::new(), last: VecDeque::new(), uses, shares }
    }

    /// Takes a sandbox for a run that begins as this image, when one is ready.
    pub(super) fn take(&mut self, image: ImageNumber) -> Option<S> {
        let left = if self.last.len() < LAST { None } else { self.last.pop_front() };
        self.last.push_back(image);
        if left != Some(image) {
            if let Some(left) = left {
                self.use_less(left, 1);
            }
            *self.uses.entry(image).or_default() += 1;
            self.shares = shares(self.wanted, &self.uses);
        }
        self.waiting.get_mut(&image)?.pop_front()
    }

    /// Adds a sandbox.
    pub(super) fn put(&mut self, image: ImageNumber, sandbox: S) {
        self.waiting.entry(image).or_default().push_back(sandbox);
    }

    /// Forgets an image, which is no guest's, and returns what was ready of it.
    pub(super) fn forget(&mut self, image: ImageNumber) -> VecDeque<S> {
        self.last.retain(|last| *last != image);
        self.use_less(image, usize::MAX);
        self.shares = shares(self.wanted, &self.uses);
        self.waiting.remove(&image).unwrap_or_default()
    }

    /// Returns the image of which another sandbox is to be made: the one that lacks most. When there are as many sandboxes
    /// as wanted, one more takes the place of another, which is worth it only where much is missing.
    pub(super) fn missing(&self) -> Option<ImageNumber> {
        let lacks = self.shares.iter().map(|(image, share)| (share.saturating_sub(self.count(*image)), *image));
        let (lack, image) = lacks.rev().max_by_key(|(lack, _)| *lack)?;
        let total: usize = self.waiting.values().map(VecDeque::len).sum();
        let is_worth_it = total < self.wanted || lack > 1 || self.count(image) == 0;
        (lack > 0 && is_worth_it).then_some(image)
    }

    /// Takes out a sandbox that is not needed any more, or in whose place another one is to be.
    pub(super) fn surplus(&mut self) -> Option<S> {
        let total: usize = self.waiting.values().map(VecDeque::len).sum();
        let gives_place = total >= self.wanted && self.missing().is_some();
        let beyond = |(image, waiting): &(&ImageNumber, &mut VecDeque<S>)| {
            let share = self.shares.get(*image).copied().unwrap_or_default();
            waiting.len() > share && (share == 0 || gives_place)
        };
        self.waiting.iter_mut().find(beyond)?.1.pop_front()
    }

    fn count(&self, image: ImageNumber) -> usize {
        self.waiting.get(&image).map_or(0, VecDeque::len)
    }

    fn use_less(&mut self, image: ImageNumber, times: usize) {
        if let Some(uses) = self.uses.get_mut(&image) {
            *uses = uses.saturating_sub(times);
            if *uses == 0 {
                self.uses.remove(&image);
            }
        }
    }
}

/// Divides so many sandboxes among images: one for each, those that were used most first, and the others in proportion to
/// the use of their images.
fn shares(wanted: usize, uses: &BTreeMap<ImageNumber, usize>) -> BTreeMap<ImageNumber, usize> {
    let mut shares = BTreeMap::<ImageNumber, usize>::new();
    for _ in 0..wanted {
        let next = uses.iter().max_by(|(one, one_uses), (other, other_uses)| {
            let [has, other_has] = [one, other].map(|image| shares.get(image).copied().unwrap_or_default());
            // Every image has one before any has two.
            let is_first = (has == 0).cmp(&(other_has == 0));
            let by_use = (*one_uses * (other_has + 1)).cmp(&(*other_uses * (has + 1)));
            is_first.then(by_use).then(other.cmp(one))
        });
        let Some((image, _)) = next else { break };
        *shares.entry(*image).or_default() += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(ready: &mut Ready<ImageNumber>, image: ImageNumber, times: usize) {
        for _ in 0..times {
            ready.take(image);
        }
    }

    fn shares(ready: &Ready<ImageNumber>) -> Vec<(ImageNumber, usize)> {
        ready.shares.iter().map(|(image, share)| (*image, *share)).collect()
    }

    /// Makes what is missing, as a process does, and returns the images of what was made and dropped.
    fn keep(ready: &mut Ready<ImageNumber>) -> (Vec<ImageNumber>, Vec<ImageNumber>) {
        let (mut made, mut dropped) = (Vec::new(), Vec::new());
        loop {
            dropped.extend(ready.surplus());
            let Some(image) = ready.missing() else { return (made, dropped) };
            ready.put(image, image);
            made.push(image);
        }
    }

    #[test]
    fn sandboxes_are_divided_by_use() {
        let mut ready = Ready::new(8, [0]);
        assert_eq!(shares(&ready), [(0, 8)]);
        used(&mut ready, 0, 29);
        used(&mut ready, 5, 30);
        assert_eq!(shares(&ready), [(0, 4), (5, 4)]);
        used(&mut ready, 5, 20);
        assert_eq!(shares(&ready), [(0, 2), (5, 6)]);
        // A guest's own image always has its part.
        used(&mut ready, 5, 2 * LAST);
        assert_eq!(shares(&ready), [(0, 1), (5, 7)]);
        ready.forget(5);
        assert_eq!(shares(&ready), [(0, 8)]);
    }

    #[test]
    fn with_many_images_those_that_are_used_most_have_one() {
        let mut ready = Ready::new(3, [0, 1]);
        for image in 2..7 {
            used(&mut ready, image, image as usize);
        }
        assert_eq!(shares(&ready), [(4, 1), (5, 1), (6, 1)]);
        assert_eq!(shares(&Ready::new(0, [0])), []);
    }

    #[test]
    fn what_is_missing_is_made_and_takes_the_place_of_others() {
        let mut ready = Ready::new(4, [0, 1]);
        assert_eq!(keep(&mut ready), (vec![0, 1, 0, 1], vec![]));
        // Three of four are to be of the second; one is replaced for that only when more is missing.
        used(&mut ready, 1, 1);
        assert_eq!(keep(&mut ready), (vec![1], vec![]));
        used(&mut ready, 1, 20);
        assert_eq!(keep(&mut ready), (vec![1, 1], vec![]));
        assert_eq!(shares(&ready), [(0, 1), (1, 3)]);
        assert_eq!(ready.take(0), Some(0));
        assert_eq!(keep(&mut ready), (vec![1], vec![]));
        // An image of which none is ready takes the place of another.
        used(&mut ready, 9, 1);
        assert_eq!(keep(&mut ready), (vec![9], vec![1]));
        assert_eq!(ready.forget(9), [9]);
        // What was made of an image that is forgotten is dropped.
        ready.put(9, 9);
        assert_eq!(keep(&mut ready), (vec![1], vec![9]));
    }
}
