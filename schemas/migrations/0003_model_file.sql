-- Bytes of the model files, in parts, so that processes on other machines can read them. A part is seen by nobody before the
-- row in `model` that names its file.
CREATE TABLE model_file (
    version BIGINT NOT NULL,
    file {KEY} NOT NULL,
    part BIGINT NOT NULL,
    data {BYTES} NOT NULL,
    PRIMARY KEY (version, file, part)
){END_WIDE};
