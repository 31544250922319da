//! Recorded work: run as often as wanted it does what the operations do when called, and what it cannot hold is refused.

use crate::support::devices;
use sharpdim::ops::adam::{self, Adam};
use sharpdim::ops::dropout::{self, Dropout};
use sharpdim::ops::elementwise;
use sharpdim::ops::guard::Guard;
use sharpdim::ops::sgd::{self, Sgd};
use sharpdim::ops::take_images::{self, Choice, TakeImages};
use sharpdim::ops::tally::{self, Tally};
use sharpdim::{Arena, Device, Error, Layout, Precision, Result, Slot};

/// Devices that record.
fn gpus() -> impl Iterator<Item = Device> {
    devices().into_iter().filter(|device| !device.is_cpu())
}

/// A step of a made-up network: every operation changes what the next run finds.
struct Step {
    x: Slot,
    y: Slot,
    weights: Slot,
    m: Slot,
    v: Slot,
    rates: Slot,
    number: Slot,
}

impl Step {
    const LEN: usize = 1003;

    fn build(device: &Device) -> (Self, Arena) {
        let mut layout = Layout::new(Precision::F32);
        let [x, y, weights, m, v] = [Self::LEN; 5].map(|len| layout.f32(len));
        let (rates, number) = (layout.f32(3), layout.f32(1));
        let mut arena = layout.build(device).unwrap();
        let wave: Vec<f32> = (0..Self::LEN).map(|i| (i as f32 * 0.7).sin()).collect();
        arena.write(x, &wave).unwrap();
        arena.write(weights, &wave).unwrap();
        (Step { x, y, weights, m, v, rates, number }, arena)
    }

    /// What changes from step to step.
    fn set(&self, arena: &mut Arena, t: u32) {
        arena.write(self.rates, &Adam::default().step(0.1 / t as f32, t)).unwrap();
        arena.write(self.number, &[t as f32]).unwrap();
    }

    fn work(&self, arena: &mut Arena) -> Result<()> {
        arena.clear(self.y)?;
        elementwise::add(arena, self.weights, self.y)?;
        let dropout = Dropout::new(0.3, 5, 1)?;
        dropout::apply(arena, &dropout, self.y, self.number, self.y)?;
        elementwise::add(arena, self.x, self.y)?;
        let adam = Adam { weight_decay: 0.01, ..Adam::default() };
        adam::update(arena, &adam, self.weights, self.y, self.m, self.v, self.rates, Slot::NONE, Guard::NONE)
    }

    fn bits(&self, arena: &Arena) -> Vec<u32> {
        let all = [self.y, self.weights, self.m, self.v].map(|slot| arena.to_vec(slot).unwrap());
        all.concat().into_iter().map(f32::to_bits).collect()
    }
}

#[test]
fn runs_of_a_recording_are_calls_of_what_was_recorded() {
    for device in gpus() {
        let (step, mut direct) = Step::build(&device);
        let (_, mut recorded) = Step::build(&device);
        let before = step.bits(&recorded);
        let recording = recorded.record(|arena| step.work(arena)).unwrap();
        assert_eq!(step.bits(&recorded), before, "{device}: recording alone does nothing");
        for t in 1..4 {
            step.set(&mut direct, t);
            step.work(&mut direct).unwrap();
            step.set(&mut recorded, t);
            recording.run(&mut recorded).unwrap();
            let (want, got) = (step.bits(&direct), step.bits(&recorded));
            assert_eq!(got, want, "{device}: step {t}");
            assert_ne!(got, before);
        }
        // Nor does it matter that another is made meanwhile.
        let other = recorded.record(|arena| arena.clear(step.weights)).unwrap();
        recording.run(&mut recorded).unwrap();
        other.run(&mut recorded).unwrap();
        assert_eq!(recorded.to_vec(step.weights).unwrap(), [0.0; Step::LEN], "{device}");
    }
}

/// What a run of `a_recording_takes_the_images_that_its_tensors_name` is told: images, labels, losses and the place.
type Told = ([u32; 3], [f32; 3], [f32; 3], [f32; 2]);

#[test]
fn a_recording_takes_the_images_that_its_tensors_name() {
    // Images of 2 x 2 pixels, whose values are taken for logits of 4 classes; weights follow the batch.
    let op = TakeImages::new(5, 3, [2, 2, 1]).unwrap();
    let counts = Tally::new(3, 4, 8).unwrap();
    let set: Vec<u8> = vec![0, 0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 2, 5, 5, 0, 0, 0, 8, 0, 0];
    let told: [Told; 4] = [
        ([0, 1, 2], [2.0, 0.0, 1.0], [0.1, 0.2, 0.3], [0.0, 3.0]),
        ([4, 3, 3], [1.0, 0.0, 1.0], [0.4, 0.5, f32::NAN], [3.0, 2.0]),
        ([2, 2, 4], [3.0, 0.0, 0.0], [0.7, f32::INFINITY, 0.9], [5.0, 3.0]),
        ([1, 0, 0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0]),
    ];
    let build = |device: &Device| {
        let mut layout = Layout::new(Precision::F32);
        let bytes = layout.bytes_of(set.len());
        let slots = [op.choices_len(), 2, 12, 3, 3, 2, 16, 1, 12, 12, 1].map(|len| layout.f32(len));
        let mut arena = layout.build(device).unwrap();
        arena.write_bytes(bytes, 0, &set).unwrap();
        arena.write(slots[1], &[0.5, 1.0]).unwrap();
        arena.write(slots[10], &[0.125]).unwrap();
        (arena, bytes, slots)
    };
    let tell = |arena: &mut Arena, slots: &[Slot; 11], told: &Told| {
        let choices = told.0.map(|row| Choice { flip: row == 4, ..Choice::whole(row, 2, 2) });
        op.write_choices(arena, slots[0], &choices).unwrap();
        for (slot, values) in [(slots[3], &told.1[..]), (slots[4], &told.2), (slots[5], &told.3)] {
            arena.write(slot, values).unwrap();
        }
    };
    let work = |arena: &mut Arena, set: Slot, slots: &[Slot; 11]| {
        let [choices, scale, x, labels, losses, place, table, halt, weights, buffer, rate] = *slots;
        take_images::take(arena, &op, set, choices, scale, x)?;
        tally::record(arena, &counts, x, labels, losses, place, table, halt)?;
        let guard = Guard { halt, ..Guard::NONE };
        sgd::update(arena, &Sgd::default(), weights, x, buffer, rate, Slot::NONE, guard)
    };
    let state = |arena: &Arena, slots: &[Slot; 11]| -> Vec<Vec<f32>> {
        [2, 6, 7, 8, 9].iter().map(|at| arena.to_vec(slots[*at]).unwrap()).collect()
    };
    for device in gpus() {
        let (mut direct, set, slots) = build(&Device::cpu());
        let (mut recorded, ..) = build(&device);
        let recording = recorded.record(|arena| work(arena, set, &slots)).unwrap();
        let mut halts = Vec::new();
        for told in &told {
            tell(&mut direct, &slots, told);
            work(&mut direct, set, &slots).unwrap();
            tell(&mut recorded, &slots, told);
            recording.run(&mut recorded).unwrap();
            assert_eq!(state(&recorded, &slots), state(&direct, &slots), "{device}: {told:?}");
            halts.push(recorded.to_vec(slots[7]).unwrap()[0]);
        }
        assert_eq!(halts, [0.0, 0.0, 1.0, 1.0], "{device}");
        let table = recorded.to_vec(slots[6]).unwrap();
        assert_eq!(table[8..], [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0], "{device}");
        // Two steps, of pixels 9 / 2 + 1 and 0 / 2 + 1, and none after the loss that was not finite.
        assert_eq!(recorded.to_vec(slots[8]).unwrap()[2], -0.125 * (5.5 + 1.0), "{device}");
    }
}

#[test]
fn an_empty_recording_does_nothing() {
    for device in gpus() {
        let (step, mut arena) = Step::build(&device);
        let before = step.bits(&arena);
        arena.record(|_| Ok(())).unwrap().run(&mut arena).unwrap();
        assert_eq!(step.bits(&arena), before);
    }
}

/// The error of a recording of `work`, after which the arena is as usable as before.
fn refused(device: &Device, work: impl FnOnce(&Step, &mut Arena) -> Result<()>) -> Error {
    let (step, mut arena) = Step::build(device);
    step.set(&mut arena, 1);
    let before = step.bits(&arena);
    let error = arena.record(|arena| work(&step, arena)).unwrap_err();
    assert_eq!(step.bits(&arena), before, "{device}: {error}");
    let recording = arena.record(|arena| step.work(arena)).unwrap();
    recording.run(&mut arena).unwrap();
    assert_ne!(step.bits(&arena), before, "{device}: {error}");
    error
}

#[test]
fn an_error_inside_ends_the_recording() {
    for device in gpus() {
        let error = refused(&device, |step, arena| {
            step.work(arena)?;
            elementwise::add(arena, step.rates, step.y)
        });
        assert!(matches!(&error, Error::Argument(text) if text.starts_with("add: the sum")), "{error}");
    }
}

#[test]
fn a_panic_inside_ends_the_recording() {
    for device in gpus() {
        let (step, mut arena) = Step::build(&device);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            arena.record(|arena| {
                step.work(arena).unwrap();
                panic!("on purpose")
            })
        }));
        assert!(panicked.is_err());
        step.set(&mut arena, 1);
        step.work(&mut arena).unwrap();
        assert_ne!(step.bits(&arena), step.bits(&Step::build(&device).1), "{device}");
    }
}

#[test]
fn what_a_recording_cannot_hold_is_refused_by_name() {
    for device in gpus() {
        let named = |error: &Error, words: &str| {
            let ours = matches!(error, Error::Device { action, reason, .. }
                if action.contains(words) && reason.contains("a recording is being made"));
            assert!(ours, "{device}: {words}: {error}");
        };
        named(&refused(&device, |step, arena| arena.to_vec(step.y).map(drop)), "copy from the device");
        named(&refused(&device, |step, arena| arena.write(step.rates, &[1.0; 3])), "copy to the device");
        named(&refused(&device, |_, arena| arena.synchronise()), "wait for the device");
        let build = |_: &Step, arena: &mut Arena| {
            let mut layout = Layout::new(Precision::F32);
            layout.f32(10);
            layout.build(&arena.device().clone()).map(drop)
        };
        named(&refused(&device, build), "allocate 256 bytes");
        named(&refused(&device, |_, _| device.timed(|| Ok(())).map(drop)), "time by events");
        named(&refused(&device, |_, arena| arena.record(|_| Ok(())).map(drop)), "record");
        // A recording made before cannot be part of another.
        let (step, mut arena) = Step::build(&device);
        let first = arena.record(|arena| step.work(arena)).unwrap();
        named(&arena.record(|arena| first.run(arena)).unwrap_err(), "run a recording");
    }
}

#[test]
fn a_recording_holds_and_runs_on_its_own_arena_only() {
    for device in gpus() {
        let (step, mut arena) = Step::build(&device);
        let (_, mut other) = Step::build(&device);
        let recording = arena.record(|arena| step.work(arena)).unwrap();
        let error = recording.run(&mut other).unwrap_err();
        assert!(matches!(&error, Error::Argument(text) if text.contains("that it was made in")), "{error}");
        let mut on_cpu = Step::build(&Device::cpu()).1;
        assert!(recording.run(&mut on_cpu).is_err());

        // An arena that takes the place of one that is gone is another.
        drop(arena);
        let mut next = Step::build(&device).1;
        assert!(recording.run(&mut next).is_err());

        for work in [
            (|step, arena| elementwise::add(arena, step.x, step.y)) as fn(&Step, &mut Arena) -> Result<()>,
            |step, arena| arena.clear(step.x),
        ] {
            let error = next.record(|_| work(&step, &mut other)).unwrap_err();
            assert!(
                matches!(&error, Error::Argument(text) if text.contains("no arena but its own")),
                "{error}"
            );
        }
    }
}

#[test]
fn other_threads_stay_out_of_a_recording() {
    for device in gpus() {
        let (step, mut arena) = Step::build(&device);
        let (_, mut other) = Step::build(&device);
        step.set(&mut arena, 1);
        step.set(&mut other, 1);
        let recording = arena.record(|arena| {
            std::thread::scope(|scope| {
                let meanwhile = scope.spawn(|| {
                    let errors = [
                        step.work(&mut other).unwrap_err(),
                        other.to_vec(step.y).unwrap_err(),
                        other.record(|_| Ok(())).unwrap_err(),
                    ];
                    errors.map(|error| assert!(error.to_string().contains("another thread"), "{error}"))
                });
                meanwhile.join().unwrap();
            });
            step.work(arena)
        });
        recording.unwrap().run(&mut arena).unwrap();
        step.work(&mut other).unwrap();
        assert_eq!(step.bits(&arena), step.bits(&other), "{device}");
        // A recording may run on another thread than it was made on.
        let recording = arena.record(|arena| step.work(arena)).unwrap();
        std::thread::scope(|scope| scope.spawn(|| recording.run(&mut arena).unwrap()).join().unwrap());
        step.work(&mut other).unwrap();
        assert_eq!(step.bits(&arena), step.bits(&other), "{device}");
    }
}

#[test]
fn the_cpu_says_that_it_records_nothing() {
    let (step, mut arena) = Step::build(&Device::cpu());
    let error = arena.record(|arena| step.work(arena)).unwrap_err();
    assert!(matches!(&error, Error::Unavailable { device, .. } if device == "cpu"), "{error}");
}
