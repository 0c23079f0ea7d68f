"""Tables as text and as HTML."""

from tinygrad_pool.tables import Table

LONG = "x" * 300


def test_columns_are_as_wide_as_what_is_in_them_however_wide_the_terminal_is(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    title, head, rule, row = Table("Names", ["short", "b"], [[LONG, 0.5]]).text().splitlines()
    assert (title, head.split()) == ("Names", ["short", "b"])
    assert row == f" {LONG}   0.5"
    assert rule == "─" * (len(row) + 1)


def test_what_looks_like_markup_stays_as_it_is():
    table = Table("a [b]", ["[red]"], [["[/bold] <script>"]])
    assert [line.strip() for line in table.text().splitlines()] == [
        "a [b]",
        "[red]",
        "─" * 18,
        "[/bold] <script>",
    ]


def test_html_is_escaped():
    html = Table("1 < 2", ["<b>"], [["<script>alert('&')</script>", 3]]).html()
    assert html == (
        "<p>1 &lt; 2</p><table><thead><tr><th>&lt;b&gt;</th></tr></thead><tbody><tr>"
        "<td>&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;</td><td>3</td>"
        "</tr></tbody></table>"
    )


def test_without_rows_there_is_the_title_alone():
    table = Table("Nothing", ["a"], [])
    assert (table.text(), table.html()) == ("Nothing", "<p>Nothing</p>")
