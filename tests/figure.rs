//! Figures from outside: what their SVG holds, that their PNG is an image of the size asked, and what bad data
//! says. `SHARPDIM_FIGURES=folder` keeps the figures, to be looked at.
#![cfg(feature = "figures")]

use approx::abs_diff_eq;
use sharpdim::figure::{
    Axis, Bar, Bars, Cell, Figure, Heatmap, Histogram, Lines, Marked, Pictures, Scatter, Series, Size,
};
use sharpdim::{Error, Result};

/// The figure's SVG by an XML parser: how many groups of a class, and all text.
fn read(figure: &Figure, class: &str) -> (usize, String) {
    let svg = figure.svg();
    let document = roxmltree::Document::parse(&svg).expect("SVG is XML");
    assert_eq!(document.root_element().tag_name().name(), "svg");
    for path in document.descendants().filter_map(|node| node.attribute("d")) {
        assert!(!path.contains("NaN") && !path.contains("inf"), "{path}");
    }
    let count = document.descendants().filter(|node| node.attribute("class") == Some(class)).count();
    let texts = document.descendants().filter(|node| node.tag_name().name() == "text");
    (count, texts.filter_map(|node| node.text()).collect::<Vec<_>>().join("|"))
}

/// The PNG's pixels; keeps the figure where it can be looked at.
fn pixels(figure: &Figure, name: &str) -> image::RgbImage {
    if let Some(folder) = std::env::var_os("SHARPDIM_FIGURES") {
        let folder = std::path::PathBuf::from(folder);
        std::fs::create_dir_all(&folder).unwrap();
        figure.write(&folder.join(format!("{name}.png"))).unwrap();
        figure.write(&folder.join(format!("{name}.svg"))).unwrap();
    }
    let png = figure.png(1).unwrap();
    let image = image::load_from_memory(&png).unwrap().to_rgb8();
    assert_eq!(image.dimensions(), (figure.size().width, figure.size().height));
    image
}

fn assert_drawn(figure: &Figure, name: &str) {
    let image = pixels(figure, name);
    let inked = image.pixels().filter(|pixel| pixel.0 != [255; 3]).count();
    assert!(inked > 500, "{name}: {inked} pixels are not white");
    assert_eq!(image.get_pixel(0, 0).0, [255; 3], "{name}: its background is white");
}

fn lines() -> Lines {
    let k = [5.0, 10.0, 20.0, 40.0, 80.0];
    let series = |name: &str, shift: f64| {
        let y = k.map(|k: f64| 14.0 - 1.5 * k.log10() + shift);
        Series::new(name, &k, &y).band(&y.map(|y| y - 0.4), &y.map(|y| y + 0.4))
    };
    Lines::new(
        "Intrinsic dimension against k",
        Axis::log("k (neighbours)"),
        Axis::linear("intrinsic dimension"),
    )
    .series(series("MNIST, 3 against 8", 0.0))
    .series(series("Fashion-MNIST", 1.4))
    .series(series("generated: striped ellipses", -2.0))
    .reference("as published", 13.0)
}

#[test]
fn lines_have_a_group_for_each_series_and_band_and_a_legend() {
    let figure = lines().draw(Size::default()).unwrap();
    assert_eq!(read(&figure, "series").0, 3);
    assert_eq!(read(&figure, "band").0, 3);
    let (keys, text) = read(&figure, "key");
    assert_eq!(keys, 4);
    for expected in [
        "Fashion-MNIST",
        "as published",
        "k (neighbours)",
        "intrinsic dimension",
        "Intrinsic dimension against k",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_drawn(&figure, "lines");
}

#[test]
fn many_series_are_told_apart_and_their_legend_wraps() {
    let x: Vec<f64> = (0..200).map(f64::from).collect();
    let mut chart =
        Lines::new("Scale curves", Axis::linear("scale (gray levels)"), Axis::log("local dimension"));
    for i in 0..9 {
        let y: Vec<f64> = x.iter().map(|x| 10f64.powf(x / 80.0 + 0.2 * f64::from(i))).collect();
        chart = chart.series(Series::new(format!("dataset number {i}"), &x, &y));
    }
    let figure = chart.draw(Size { width: 600, height: 420 }).unwrap();
    assert_eq!(read(&figure, "series").0, 9);
    assert_drawn(&figure, "lines-many");
}

#[test]
fn a_histogram_counts_every_value_once_and_shows_marks() {
    let values: Vec<f64> =
        (0..1000).map(|i| 12.0 + (f64::from(i) * 0.7).sin() * 3.0 + f64::from(i % 17) * 0.2).collect();
    let figure = Histogram::new("Dimension at each image", Axis::linear("dimension"), "images", &values)
        .mark("harmonic mean", 12.6)
        .mark("median", 13.4)
        .draw(Size::default())
        .unwrap();
    let (references, text) = read(&figure, "reference");
    assert_eq!(references, 2);
    assert!(text.contains("median") && text.contains("images"), "{text}");
    assert_drawn(&figure, "histogram");

    // Heights: bins of 1, 2 and 3 values, the largest value in the last.
    let six = Histogram::new("", Axis::linear("x"), "n", &[0.0, 1.0, 1.5, 2.0, 2.5, 3.0]).bins(3);
    let svg = six.draw(Size::default()).unwrap().svg();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let group = document.descendants().find(|node| node.attribute("class") == Some("series")).unwrap();
    let heights: Vec<f64> = group
        .descendants()
        .filter_map(|node| node.attribute("d"))
        .map(|path| {
            let y = |at: usize| -> f64 {
                path.trim_end_matches('Z')
                    .split(['M', 'L'])
                    .nth(at)
                    .unwrap()
                    .split(' ')
                    .nth(1)
                    .unwrap()
                    .parse()
                    .unwrap()
            };
            y(1) - y(3)
        })
        .collect();
    assert_eq!(heights.len(), 3);
    // A hundredth of a bar: coordinates in the file are rounded.
    for (height, want) in heights.iter().zip([1.0, 2.0, 3.0]) {
        assert!(abs_diff_eq!(height / heights[0], want, epsilon = 0.01), "{heights:?}");
    }
}

fn datasets() -> Vec<Marked> {
    let names =
        ["MNIST", "Fashion-MNIST", "CIFAR-10", "SVHN", "KMNIST", "brain MRI", "chest X-ray", "prostate MRI"];
    let place = |(i, name): (usize, &&str)| {
        let (x, y) = (12.0 + 2.1 * (i as f64 * 1.7).sin() + i as f64, 5e-4 * 1.6f64.powi((i as i32 * 5) % 7));
        Marked::new(*name, x, y).x_interval(x - 0.4, x + 0.6).y_interval(y * 0.9, y * 1.15)
    };
    names.iter().enumerate().map(place).collect()
}

#[test]
fn a_scatter_writes_each_label_apart_from_the_others() {
    let mut close = datasets();
    close.extend((0..4).map(|i| Marked::new(format!("neighbour {i}"), 15.0 + 0.05 * f64::from(i), 2e-3)));
    let (natural, medical) = close.split_at(5);
    let figure = Scatter::new(
        "Label sharpness against dimension",
        Axis::linear("intrinsic dimension"),
        Axis::log("K_F (1 / gray level)"),
    )
    .group("natural", natural)
    .group("medical", medical)
    .draw(Size::default())
    .unwrap();
    let (groups, text) = read(&figure, "series");
    assert_eq!(groups, 2);
    for point in &close {
        assert!(text.contains(&point.label), "{}: {text}", point.label);
    }
    assert_drawn(&figure, "scatter");
}

/// The places of a path or the centre of a circle, of each shape in the group of a class and a name.
fn shapes(figure: &Figure, class: &str, name: &str) -> Vec<String> {
    let svg = figure.svg();
    let document = roxmltree::Document::parse(&svg).expect("SVG is XML");
    let group = document.descendants().find(|node| {
        let title = node.children().find(|child| child.tag_name().name() == "title");
        node.attribute("class") == Some(class) && title.is_some_and(|title| title.text() == Some(name))
    });
    let group = group.unwrap_or_else(|| panic!("no {class} {name:?} in {svg}"));
    group
        .descendants()
        .filter(|node| node.is_element())
        .map(|node| svg[node.range()].to_owned())
        .skip(2)
        .collect()
}

#[test]
fn a_scatter_has_fits_bands_a_diagonal_and_open_marks() {
    let points: Vec<Marked> = (1..6).map(|x| Marked::new("", f64::from(x), f64::from(2 * x))).collect();
    let fit = [[1.0, 2.0], [5.0, 10.0]];
    let axes = || (Axis::linear("x"), Axis::linear("y"));
    let chart = |band: &[(f64, f64)]| {
        let (x, y) = axes();
        let chart = Scatter::new("A fit", x, y).group("measured", &points).fit(&fit, band);
        chart.open_group("published", &points[..2]).diagonal("y = x").draw(Size::default())
    };
    let narrow = chart(&[(1.5, 2.5), (9.5, 10.5)]).unwrap();
    assert_drawn(&narrow, "fitted");
    assert_eq!(read(&narrow, "series").0, 2);
    assert!(read(&narrow, "series").1.contains("published|"), "{}", read(&narrow, "series").1);
    // Line and five marks; two open marks, white with an edge.
    assert_eq!(shapes(&narrow, "series", "measured").len(), 6);
    let open = shapes(&narrow, "series", "published");
    assert!(
        open.len() == 2 && open.iter().all(|mark| mark.contains("#fff") && mark.contains("#0072b2")),
        "{open:?}"
    );
    assert_eq!(shapes(&narrow, "reference", "y = x").len(), 1);
    // A band that is far wider than the plot changes no axis: it is cut off.
    let wide = chart(&[(-1e6, 1e6), (-1e6, 1e6)]).unwrap();
    assert_eq!(read(&wide, "series").1, read(&narrow, "series").1);
    assert_drawn(&wide, "wide-band");
    let error = message(chart(&[(1.5, 2.5)]));
    assert!(error.contains("2 places") && error.contains("band for 1"), "{error}");
    let error = message(chart(&[(1.5, 2.5), (10.5, 9.5)]));
    assert!(error.contains("place 1 of the fit"), "{error}");
    // Both axes show what either needs, so that the line is there.
    let far = Scatter::new("", Axis::linear("x"), Axis::linear("y"))
        .group("measured", &[Marked::new("", 1.0, 100.0), Marked::new("", 2.0, 110.0)])
        .diagonal("y = x")
        .draw(Size::default())
        .unwrap();
    assert_eq!(shapes(&far, "reference", "y = x").len(), 1);
    assert_eq!(read(&far, "series").1.matches("|100|").count(), 2, "{}", read(&far, "series").1);
}

#[test]
fn a_scatter_in_rows_has_names_on_the_left() {
    let rows = |row| {
        Scatter::in_rows("Rows", Axis::log("K_F"), &["MNIST", "CIFAR-10", "SVHN"])
            .group(
                "measured",
                &[Marked::new("", 1e-4, 0.0), Marked::new("", 3e-4, row).x_interval(2e-4, 4e-4)],
            )
            .draw(Size::default())
    };
    let figure = rows(2.0).unwrap();
    assert_drawn(&figure, "rows");
    assert!(read(&figure, "series").1.contains("CIFAR-10"));
    for bad in [3.0, -1.0, 0.5] {
        let error = message(rows(bad));
        assert!(error.contains("row") && error.contains("there are 3"), "{error}");
    }
}

#[test]
fn bars_have_one_for_each_group_and_series() {
    let groups = ["MNIST", "CIFAR-10", "a dataset whose name is longer than most are", "負の例 & <others>"];
    let bars = |shift: f64| {
        [12.4, 24.1, 6.3, 18.0].map(|v| Bar::with_interval(v + shift, v + shift - 0.7, v + shift + 0.9))
    };
    let figure = Bars::new("Estimators side by side", "intrinsic dimension (95 % interval)", &groups)
        .series("MLE", &bars(0.0))
        .series("TwoNN", &bars(2.0))
        .series("GRIDE", &[12.0, 23.0, -1.5, 0.0].map(Bar::new))
        .draw(Size::default())
        .unwrap();
    let (series, text) = read(&figure, "series");
    assert_eq!(series, 3);
    assert!(text.contains("負の例 & <others>") && text.contains("−1.5"), "{text}");
    assert_drawn(&figure, "bars");
}

#[test]
fn a_heatmap_writes_its_values_into_its_cells() {
    let classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    let value = |i: usize| (!i.is_multiple_of(11)).then(|| 1e-4 * (1.0 + ((i * 7) % 13) as f64));
    let values: Vec<Option<f64>> = (0..100).map(value).collect();
    let chart = Heatmap::new(
        "K_F of each pair of classes",
        Axis::linear("K_F (1 / gray level)"),
        &classes,
        &classes,
        &values,
    );
    let figure = chart.draw(Size { width: 760, height: 560 }).unwrap();
    let (_, text) = read(&figure, "series");
    assert_eq!(text.matches('–').count(), 10, "{text}");
    assert!(text.contains("airplane") && text.contains("0.0013"), "{text}");
    assert_drawn(&figure, "heatmap");

    let small: Vec<String> = ["3", "5", "8"].map(String::from).to_vec();
    let counts: Vec<Option<f64>> =
        [900, 31, 12, 28, 870, 44, 10, 39, 910].map(|n| Some(f64::from(n))).to_vec();
    let figure = Heatmap::new("Images of each pair", Axis::log("images"), &small, &small, &counts)
        .draw(Size::default())
        .unwrap();
    assert_drawn(&figure, "heatmap-small");
}

/// One chart of each kind from the same values.
fn charts(values: &[f64]) -> Vec<(&'static str, Result<Figure>)> {
    let axis = || Axis::linear("x");
    let points: Vec<Marked> = values.iter().map(|&v| Marked::new("p", v, v)).collect();
    let bars: Vec<Bar> = values.iter().map(|&v| Bar::new(v)).collect();
    let names: Vec<String> = (0..values.len()).map(|i| i.to_string()).collect();
    let cells: Vec<Option<f64>> = values.iter().map(|&v| Some(v)).collect();
    let size = Size::default();
    vec![
        ("lines", Lines::new("", axis(), axis()).series(Series::new("s", values, values)).draw(size)),
        ("histogram", Histogram::new("", axis(), "n", values).draw(size)),
        ("scatter", Scatter::new("", axis(), axis()).group("g", &points).draw(size)),
        ("bars", Bars::new("", "x", &names).series("s", &bars).draw(size)),
        ("heatmap", Heatmap::new("", axis(), &names, &["only".to_string()], &cells).draw(size)),
    ]
}

#[test]
fn one_value_and_extreme_ranges_can_be_drawn() {
    let ranges: [&[f64]; 8] = [
        &[7.0],
        &[0.0],
        &[-3.0, -3.0],
        &[-1e300, 1e300],
        &[1e-300, 2e-300],
        &[5e-324, 1e300],
        &[1e15, 1e15 + 1.0],
        &[1.0, 1.0 + f64::EPSILON],
    ];
    for values in ranges {
        for (kind, figure) in charts(values) {
            let figure = figure.unwrap_or_else(|e| panic!("{kind} of {values:?}: {e}"));
            read(&figure, "series");
            assert_drawn(&figure, "extreme");
        }
    }
    let wide = Lines::new("", Axis::log("x"), Axis::log("y")).series(Series::new(
        "s",
        &[1e-300, 1e300],
        &[1e-9, 1e9],
    ));
    assert_drawn(&wide.draw(Size::default()).unwrap(), "extreme-log");
}

#[test]
fn data_that_is_empty_or_not_finite_is_an_error() {
    for values in [&[][..], &[1.0, f64::NAN], &[f64::INFINITY], &[f64::NEG_INFINITY, 0.0], &[1e301]] {
        for (kind, figure) in charts(values) {
            assert!(matches!(figure, Err(Error::Data(_))), "{kind} of {values:?}: {figure:?}");
        }
    }
    let none = Heatmap::new("pairs", Axis::linear("x"), &["a"], &["b"], &[None]).draw(Size::default());
    assert!(matches!(none, Err(Error::Data(_))));
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn errors_name_the_value_and_say_what_would_be_right() {
    let chart = |x: Axis| Lines::new("t", x, Axis::linear("y"));
    let cases = [
        (
            message(chart(Axis::log("k")).series(Series::new("MLE", &[0.0], &[1.0])).draw(Size::default())),
            "x of point 0 of series \"MLE\" is 0: on a logarithmic axis it must be more than 0",
        ),
        (
            message(
                chart(Axis::linear("k"))
                    .series(Series::new("MLE", &[1.0, 2.0], &[1.0]))
                    .draw(Size::default()),
            ),
            "series \"MLE\" has 2 of x and 1 of y: it must be as many",
        ),
        (
            message(
                chart(Axis::linear("k"))
                    .series(Series::new("MLE", &[1.0], &[1.0]).band(&[2.0], &[1.0]))
                    .draw(Size::default()),
            ),
            "the interval of point 0 of series \"MLE\" is 2 .. 1: the lower end comes first",
        ),
        (
            message(Histogram::new("h", Axis::linear("x"), "n", &[1.0]).bins(0).draw(Size::default())),
            "0 bins; it must be 1 to 1000",
        ),
        (
            message(Bars::new("b", "x", &["a", "b"]).series("s", &[Bar::new(1.0)]).draw(Size::default())),
            "series \"s\" has 1 bars for 2 groups: it must be one for each",
        ),
        (
            message(Heatmap::new("h", Axis::linear("x"), &["a"], &["b", "c"], &[None]).draw(Size::default())),
            "1 values for 1 x 2 cells: it must be one for each",
        ),
        (message(lines().draw(Size { width: 10, height: 400 })), "each must be 160 to 10000"),
        (message(lines().draw(Size { width: 170, height: 160 })), "make it larger"),
        (message(lines().draw(Size::default()).unwrap().png(0)), "scale is 1 or more"),
        (message(lines().draw(Size::default()).unwrap().png(u32::MAX)), "too many pixels"),
        (
            message(lines().draw(Size::default()).unwrap().write("a.gif".as_ref())),
            "a.gif: figures are written as .svg or .png",
        ),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message:?} should say {expected:?}");
    }
}

#[test]
fn names_are_escaped_and_shortened_and_stay_whole_in_the_title() {
    let name = "<script>alert('1 & 2')</script>\u{0}\u{ffff}".repeat(9);
    let figure = Lines::new(name.clone(), Axis::linear(name.clone()), Axis::linear(name.clone()))
        .series(Series::new(name.clone(), &[1.0, 2.0], &[3.0, 4.0]))
        .draw(Size::default())
        .unwrap();
    assert!(!figure.svg().contains("<script"));
    let (_, text) = read(&figure, "series");
    assert!(text.contains('…'), "{text}");
    assert!(figure.svg().matches("&lt;/script&gt;").count() >= 9);
}

#[test]
fn a_png_has_the_scale_asked_and_letters() {
    let figure = lines().draw(Size { width: 400, height: 300 }).unwrap();
    let image = image::load_from_memory(&figure.png(3).unwrap()).unwrap().to_rgb8();
    assert_eq!(image.dimensions(), (1200, 900));
    // The title's row has ink: letters do not depend on fonts of the machine.
    let dark = (30..90)
        .flat_map(|y| (30..600).map(move |x| (x, y)))
        .filter(|&(x, y)| image.get_pixel(x, y).0[0] < 100);
    assert!(dark.count() > 300);
}

#[test]
fn a_figure_is_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let figure = lines().draw(Size::default()).unwrap();
    figure.write(&folder.path().join("a.SVG")).unwrap();
    figure.write(&folder.path().join("a.png")).unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("a.SVG")).unwrap(), figure.svg());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn figures_beside_each_other_are_the_pixels_of_each() {
    let (left, right) = (
        lines().draw(Size { width: 500, height: 300 }).unwrap(),
        Histogram::new("Local", Axis::linear("dimension"), "images", &[1.0, 2.0, 2.5])
            .draw(Size { width: 320, height: 260 })
            .unwrap(),
    );
    let both = Figure::beside("Two", &[left.clone(), right.clone()]).unwrap();
    assert_eq!((both.title(), both.size()), ("Two", Size { width: 820, height: 300 }));
    let (all, one, two) =
        (pixels(&both, "beside"), pixels(&left, "beside-left"), pixels(&right, "beside-right"));
    for (from, part) in [(0, &one), (500, &two)] {
        for (x, y, pixel) in part.enumerate_pixels() {
            assert_eq!(all.get_pixel(from + x, y), pixel, "({x}, {y}) of the part from {from}");
        }
    }
    assert!((260..300).all(|y| (500..820).all(|x| all.get_pixel(x, y).0 == [255; 3])));
    assert!(matches!(Figure::beside("None", &[]), Err(Error::Argument(_))));
    assert!(matches!(Figure::beside("Too wide", &vec![left; 21]), Err(Error::Argument(_))));
}

/// A pixel of the figure is one of its image, where that is enlarged by a whole number.
#[test]
fn pictures_show_their_pixels() {
    let colors: Vec<u8> = (0..4 * 6 * 3).map(|i| (i * 3) as u8).collect();
    let grays: Vec<u8> = (0..24 * 24).map(|i| (i % 251) as u8).collect();
    let figure = Pictures::new("Pictures", 48, &["colour", "gray"])
        .row(vec![
            Cell::new(&colors, [4, 6, 3]).unwrap().caption("wide"),
            Cell::new(&grays, [24, 24, 1]).unwrap().caption("<b>").caption("second").marked(),
        ])
        .draw()
        .unwrap();
    let (count, text) = read(&figure, "picture");
    assert_eq!(count, 2);
    for words in ["Pictures", "colour", "gray", "wide", "<b>", "second"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let svg = figure.svg();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let images: Vec<_> = document.descendants().filter(|node| node.tag_name().name() == "image").collect();
    let number =
        |node: &roxmltree::Node, name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap() as u32;
    let drawn = pixels(&figure, "pictures");
    let [first, second] = [&images[0], &images[1]].map(|node| [number(node, "x"), number(node, "y")]);
    assert_eq!((number(&images[0], "width"), number(&images[0], "height")), (48, 32));
    for (row, column) in [(0, 0), (3, 5), (2, 1)] {
        let at = 3 * (row * 6 + column) as usize;
        let want = [colors[at], colors[at + 1], colors[at + 2]];
        assert_eq!(drawn.get_pixel(first[0] + 8 * column + 4, first[1] + 8 * row + 4).0, want);
    }
    for (row, column) in [(2, 2), (11, 20)] {
        let want = [grays[(row * 24 + column) as usize]; 3];
        assert_eq!(drawn.get_pixel(second[0] + 2 * column + 1, second[1] + 2 * row + 1).0, want);
    }
    // The frame of the marked one.
    assert_eq!(drawn.get_pixel(second[0] + 20, second[1]).0, [0xd5, 0x5e, 0x00]);

    let encoded = images[0].attribute("href").unwrap().strip_prefix("data:image/png;base64,").unwrap();
    assert!(encoded.len() > 60);
    let one = || vec![Cell::new(&[0], [1, 1, 1]).unwrap()];
    let refused = [
        (Cell::new(&[0; 11], [2, 2, 3]).err(), "11 bytes are not 2 x 2 x 3"),
        (Cell::new(&[0; 8], [2, 2, 2]).err(), "2 channels; it must be 1, gray, or 3, RGB"),
        (Cell::new(&[], [0, 2, 1]).err(), "0 x 2 is not the size of an image"),
        (
            Pictures::new("p", 96, &["a"]).draw().err(),
            "figure \"p\": it has no rows: pictures need one at least",
        ),
        (
            Pictures::new("p", 96, &["a", "b"]).row(one()).draw().err(),
            "figure \"p\": row 0 has 1 images for 2 columns",
        ),
    ];
    for (error, words) in refused {
        assert_eq!(error.expect("refused").to_string(), words);
    }
    assert!(Pictures::new("p", 20_000, &["a"]).row(one()).draw().is_err());
}
