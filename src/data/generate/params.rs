//! What an image is painted from: a few numbers of pose, and coefficients of cosines, in layers; and what latents do to them.

/// Cosines along an axis: of 0 to `WAVES - 1` half periods.
pub const WAVES: usize = 8;

/// Numbers of pose that a family may have.
pub const POSES: usize = 8;

/// The layers that have cosines: all behind, and what is on the thing in front.
pub const BEHIND: usize = 0;
pub const FRONT: usize = 1;

/// What a latent moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Move {
    Pose(usize),
    /// The coefficient of cos(kx ..) cos(ky ..), of a colour, in a layer.
    Wave {
        layer: usize,
        colour: usize,
        kx: usize,
        ky: usize,
    },
}

/// Of cosines: a coefficient for each ky and kx.
pub type Coefficients = [[f32; WAVES]; WAVES];

/// How far everything is from the family's mean image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    pub pose: [f32; POSES],
    /// By layer and channel.
    pub waves: [[Coefficients; 3]; 2],
}

/// Orthonormal directions in RGB: brightness, red against blue, green against both.
const COLOURS: [[f32; 3]; 3] =
    [[0.577_350_26; 3], [0.707_106_77, 0.0, -0.707_106_77], [-0.408_248_3, 0.816_496_6, -0.408_248_3]];

impl Params {
    pub fn add(&mut self, what: Move, amount: f32, channels: usize) {
        match what {
            Move::Pose(at) => self.pose[at] += amount,
            Move::Wave { layer, kx, ky, .. } if channels == 1 => self.waves[layer][0][ky][kx] += amount,
            Move::Wave { layer, colour, kx, ky } => {
                for (channel, part) in self.waves[layer].iter_mut().zip(COLOURS[colour]) {
                    channel[ky][kx] += amount * part;
                }
            }
        }
    }
}

/// Cosines of 0 to `WAVES - 1` half periods over [-1, 1], at a place.
pub fn cosines(x: f32) -> [f32; WAVES] {
    let first = (std::f32::consts::FRAC_PI_2 * (x + 1.0)).cos();
    let mut all = [1.0; WAVES];
    all[1] = first;
    // Chebyshev's recurrence.
    for k in 2..WAVES {
        all[k] = 2.0 * first * all[k - 1] - all[k - 2];
    }
    all
}

/// The coefficients along x in a row: the cosines along y are summed.
pub fn along_row(coefficients: &Coefficients, cos_y: &[f32; WAVES]) -> [f32; WAVES] {
    let mut row = [0.0; WAVES];
    for (of_y, cos) in coefficients.iter().zip(cos_y) {
        for (sum, coefficient) in row.iter_mut().zip(of_y) {
            *sum += coefficient * cos;
        }
    }
    row
}

/// The sum of cosines at a pixel.
pub fn sum(row: &[f32; WAVES], cos_x: &[f32; WAVES]) -> f32 {
    row.iter().zip(cos_x).map(|(a, b)| a * b).sum()
}

/// From 1, far below 0, to 0, far above: smooth, and without an exponential.
pub fn step(t: f32) -> f32 {
    0.5 - 0.5 * t / (1.0 + t * t).sqrt()
}

/// Bends values towards the middle, so that none is further from it than `reach`, however latents add up.
pub fn bent(value: f32, middle: f32, reach: f32) -> f32 {
    let t = value - middle;
    let part = t / reach;
    middle + t / (1.0 + part * part).sqrt()
}
