"""What the debugger writes into files: a step as a picture, a pass as a page or as text."""


def test_draw_writes_the_graph_with_this_step_lit(run, tmp_path):
    out = tmp_path / "here.dot"
    assert "shows the graph after 3 steps" in run(f"goto 3; draw {out}")
    assert "#FFE08A" in out.read_text(encoding="utf-8")
    assert "shows the graph after 0 steps" in run(f"draw {out}")
    assert "#FFE08A" not in out.read_text(encoding="utf-8")
    assert "shows the graph after 1 step;" in run(f"goto 1; draw {out}")


def test_a_pass_is_saved_as_a_page_or_as_text(run, tmp_path):
    run(f"goto 2; save {tmp_path}/pass.txt; save {tmp_path}/pass.html; info")
    told = (tmp_path / "pass.txt").read_text().splitlines()
    assert told[0] == "before the first of 5 steps; node takes it"
    assert told[-3:] == run("finish").splitlines()
    assert "<title>Backward pass</title>" in (tmp_path / "pass.html").read_text()
    run(f"save {tmp_path}/PASS.HTML; save {tmp_path}/pass.htm; draw {tmp_path}/NOW.HTML")
    for name in ("PASS.HTML", "pass.htm", "NOW.HTML"):
        assert (tmp_path / name).read_text().startswith("<!DOCTYPE html>")
    assert '<meta http-equiv="refresh" content="1">' in (tmp_path / "NOW.HTML").read_text()


def test_a_drawing_follows_each_step_until_it_is_off(run, tmp_path):
    page = tmp_path / "now.html"
    run(f"draw {page}; node")
    lit = page.read_text()
    assert '<meta http-equiv="refresh" content="1">' in lit
    assert lit.count('fill="#ffe08a"') == 1
    run(f"draw {page}; draw off; node")
    assert page.read_text().count('fill="#ffe08a"') == 0
    run(f"draw {tmp_path}/now.svg; finish")
    assert (tmp_path / "now.svg").read_text().count('fill="#ffe08a"') == 1
