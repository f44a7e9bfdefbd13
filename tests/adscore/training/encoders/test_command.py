"""`adscore train` with encoders, as a user types it."""

import pytest
from typer.testing import CliRunner

from adscore.cli.app import app


@pytest.mark.parametrize("option", ["--text-encoder", "--image-encoder"])
def test_folder_that_is_no_encoder_ends_with_what_was_expected(option, sample_dir, tmp_path):
    arguments = ["train", str(sample_dir / "creatives.csv"), str(tmp_path / "model")]
    result = CliRunner().invoke(app, [*arguments, option, str(sample_dir)])
    assert result.exit_code == 1
    assert "expected" in result.output
    assert not (tmp_path / "model").exists()
