//! File formats, datasets on disk, generated datasets, preprocessing.
