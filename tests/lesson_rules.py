"""What every lesson keeps to; each rule yields a sentence for each place that breaks it.

A rule takes a notebook as it is committed and reads its JSON only. `NOTEBOOK_RULES` hold for
lessons and solutions, `LESSON_RULES` for lessons alone.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import unquote, urlsplit

from tests.notebooks import Cell, Notebook, text_of

CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
FENCE = re.compile(r"^(```+|~~~+).*?^\1", re.MULTILINE | re.DOTALL)
MATHS = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
THOUSANDS = ",_\u00a0\u2009\u202f"  # comma, underscore, spaces that do not break
TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def prose(cell: Cell) -> str:
    """The Markdown of a cell without its code."""
    return CODE_SPAN.sub(" ", FENCE.sub(" ", cell.source))


# --- what is committed ---------------------------------------------------------------------------


def stays_below_one_megabyte(notebook: Notebook) -> Iterator[str]:
    size = notebook.path.stat().st_size
    if size >= 1_000_000:
        yield f"it has {size:,} bytes; use fewer or smaller pictures: web viewers refuse big files"


def was_run_from_top_to_bottom(notebook: Notebook) -> Iterator[str]:
    for count, cell in enumerate(notebook.code, start=1):
        if cell.execution_count != count:
            yield (
                f"{cell.id}: execution count {cell.execution_count} instead of {count}; run the "
                "whole notebook in a fresh kernel and commit it with its outputs"
            )
    if not any(cell.outputs for cell in notebook.code):
        yield "it has no outputs; commit it with them, so that it can be read on the web"


def shows_no_unintended_error(notebook: Notebook) -> Iterator[str]:
    for cell in notebook.code:
        kinds = {output.get("name", output["output_type"]) for output in cell.outputs}
        if "stderr" in kinds:
            yield f"{cell.id}: it writes to stderr; mend the warning, do not show it"
        if "error" in kinds and "raises-exception" not in cell.tags:
            yield f"{cell.id}: it stops with an error; tag it raises-exception if that is its point"
        if "error" not in kinds and "raises-exception" in cell.tags:
            yield f"{cell.id}: it is tagged raises-exception and raises nothing; remove the tag"


def names_no_place_of_this_machine(notebook: Notebook) -> Iterator[str]:
    place = re.compile(r"""(?:^|(?<=[\s"'(=\[,:]))(?:file://|~?/[\w.@-]+/|[A-Za-z]:\\)[^\s"')]*""")
    for cell in notebook.code:
        for text in (text for output in cell.outputs for text in text_of(output)):
            for found in place.findall(TERMINAL_COLOUR.sub("", text)):
                yield f"{cell.id}: its output names {found!r}; print the file's name only"


def gives_cells_lasting_names(notebook: Notebook) -> Iterator[str]:
    drawn_by_lot = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8,}")
    for cell in notebook.cells:
        if drawn_by_lot.fullmatch(cell.id) or not re.search("[A-Za-z]{2}", cell.id):
            yield (
                f"the cell {cell.first_line!r} has the id {cell.id!r}; write two or three words "
                "about its purpose, such as 'check-zeros'"
            )
    for name, times in Counter(cell.id for cell in notebook.cells).items():
        if times > 1:
            yield f"{times} cells have the id {name!r}; give a copied cell a new one"


def runs_on_the_kernel_python3(notebook: Notebook) -> Iterator[str]:
    kernel = notebook.metadata.get("kernelspec", {}).get("name")
    if kernel != "python3":
        yield f"its kernel is {kernel!r}; write 'python3', which every machine has"


# --- code ----------------------------------------------------------------------------------------


def is_plain_python(notebook: Notebook) -> Iterator[str]:
    for cell in notebook.code:
        if not cell.source.strip():
            yield f"{cell.id}: the cell is empty; delete it"
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            line = cell.source.splitlines()[error.lineno - 1].strip()
            yield f"{cell.id}: {line!r} is not Python; write no ! commands and no % magics"


def hides_no_errors(notebook: Notebook) -> Iterator[str]:
    for cell in notebook.code:
        for node in ast.walk(cell.syntax()):
            if isinstance(node, ast.Try | ast.TryStar):
                yield (
                    f"{cell.id}: try/except in line {node.lineno}; let the cell raise and tag it "
                    "raises-exception"
                )


def leaves_the_machine_alone(notebook: Notebook) -> Iterator[str]:
    forbidden = {
        "os.chdir",
        "os.environ",
        "os.system",
        "pip",
        "subprocess",
        "sys.meta_path",
        "sys.path",
    }
    for cell in notebook.code:
        for name in names_in(cell):
            if name in forbidden:
                yield f"{cell.id}: it uses {name}; the course's set-up has done what is needed"


def stays_off_the_network(notebook: Notebook) -> Iterator[str]:
    modules = {"aiohttp", "ftplib", "http", "httpx", "requests", "socket", "urllib", "urllib3"}
    calls = re.compile(r"(^|\.)(fetch_\w+|urlopen|urlretrieve|download\w*|\w+_from_url)$")
    for cell in notebook.code:
        for name in names_in(cell):
            if name.partition(".")[0] in modules or calls.search(name):
                yield f"{cell.id}: it uses {name}; take the data from minilib.datasets"
        for call in (node for node in ast.walk(cell.syntax()) if isinstance(node, ast.Call)):
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            for value in (node.value for node in given if isinstance(node, ast.Constant)):
                if isinstance(value, str) and value.startswith(("http://", "https://", "ftp://")):
                    yield f"{cell.id}: it passes {value}; take the data from minilib.datasets"


def seeds_no_global_generator(notebook: Notebook) -> Iterator[str]:
    seeding = re.compile(r"(np|numpy|random|torch)(\.random|\.cuda)?\.(seed|manual_seed)(_all)?")
    for cell in notebook.code:
        for name in names_in(cell):
            if seeding.fullmatch(name):
                yield (
                    f"{cell.id}: {name} changes every later cell; pass a seed or "
                    "np.random.default_rng(seed) as an argument"
                )


def shows_progress_as_it_ended(notebook: Notebook) -> Iterator[str]:
    unfinished = re.compile(r"(?m)^.*: \d+/\d+ (?!█{20}$)[ ▏▎▍▌▋▊▉█]{20}")
    for cell in notebook.code:
        for name in names_in(cell):
            if name.partition(".")[0] == "tqdm":
                yield (
                    f"{cell.id}: it uses {name}, which stays at 0 where no kernel runs; write "
                    "'from minilib.progress import progress'"
                )
        for text in (text for output in cell.outputs for text in text_of(output)):
            for bar in unfinished.findall(text):
                yield (
                    f"{cell.id}: its output shows {bar!r}; print below the loop, and put no "
                    "progress bar into another"
                )


def names_in(cell: Cell) -> list[str]:
    """The dotted names a cell uses, and the modules it imports, each once."""
    names = []
    for node in ast.walk(cell.syntax()):
        if isinstance(node, ast.Name | ast.Attribute):
            names.append(ast.unparse(node))
        elif isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.extend(f"{node.module}.{alias.name}" for alias in node.names)
    return sorted(set(names))


# --- text and pictures ---------------------------------------------------------------------------


def describes_its_plots(notebook: Notebook) -> Iterator[str]:
    for cell in notebook.code:
        for output in cell.outputs:
            data = output.get("data", {})
            for kind in (kind for kind in data if kind.startswith("image/")):
                alt = output["metadata"].get(kind, {}).get("alt", "").strip()
                plain = "".join(data.get("text/plain", ""))
                if not alt:
                    yield f"{cell.id}: its picture has no alt text; say what one sees"
                elif plain != alt:
                    yield (
                        f"{cell.id}: its picture's text/plain is {plain!r}; make it the alt text, "
                        "which terminals and nbval see"
                    )


def describes_its_images(notebook: Notebook) -> Iterator[str]:
    for cell in notebook.markdown:
        for image in re.findall(r"!\[\s*\]\([^)]*\)", prose(cell)):
            yield f"{cell.id}: {image} has no alt text; say between the brackets what one sees"
        for image in re.findall(r"<img\b[^>]*>", prose(cell)):
            if not re.search(r"""\balt=(["'])\s*[^\s"'].*?\1""", image):
                yield f'{cell.id}: {image} has no alt text; write alt="what one sees"'


def is_plain_markdown(notebook: Notebook) -> Iterator[str]:
    role = re.compile(r"\{[\w:.+-]+\}(?=`)")
    directive = re.compile(r"^ *(?::::|```+ *\{|~~~+ *\{|\([\w-]+\)=$).*", re.MULTILINE)
    for cell in notebook.markdown:
        roles = role.findall(CODE_SPAN.sub("`", FENCE.sub("", cell.source)))
        for found in roles + directive.findall(cell.source):
            yield (
                f"{cell.id}: {found!r} is MyST, which JupyterLab and the slides show raw; write "
                "plain Markdown and $maths$"
            )
        for found in re.findall(r"[\x00-\x09\x0b-\x1f]\w*", cell.source):
            yield f"{cell.id}: {found!r} has lost its backslash, as in \\approx; write it again"


def links_lead_somewhere(notebook: Notebook) -> Iterator[str]:
    link = re.compile(r"""\]\(\s*<?([^)\s>]+)>?[^)]*\)|\b(?:href|src)=["']([^"']*)["']""")
    for cell in notebook.markdown:
        for target in (a or b for a, b in link.findall(prose(cell))):
            parts = urlsplit(target)
            if parts.scheme or target.startswith("#"):
                continue
            path = unquote(parts.path)
            if PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute():
                yield f"{cell.id}: the link {target} is absolute; start from this folder"
            elif not (notebook.path.parent / path).exists():
                yield f"{cell.id}: the link {target} leads nowhere; mend it or the file"


def reads_its_numbers_off_its_outputs(notebook: Notebook) -> Iterator[str]:
    seen: set[Decimal] = set()
    for cell in notebook.cells:
        for output in cell.outputs:
            if not is_picture(output):
                seen |= {number for text in text_of(output) for number in numbers_printed(text)}
        if "reads-output" in cell.tags:
            for text, number in numbers_in_prose(cell):
                if number not in seen:
                    yield (
                        f"{cell.id}: no output above prints {text}; write the number as it is "
                        "printed, or print it"
                    )


def is_picture(output: dict) -> bool:
    """Whether the text of an output only describes something else."""
    return any(not kind.startswith("text/") for kind in output.get("data", {}))


def numbers_in_prose(cell: Cell) -> list[tuple[str, Decimal]]:
    """The numbers a reader takes for results, as written and as values.

    Figures count, with sign, decimals, exponent (1e-12) and thousands separators; a unit or a
    percent sign after them does not matter. Not counted: code, $maths$, what stands in links to
    notebooks and in addresses, ordinals (1., 2nd), 'lesson 03', years of references (1996),
    arXiv and DOI numbers, and figures in a name (L1, int8, 5-fold, 2D, LeNet-300-100). Numbers
    in words are never checked.
    """
    text = MATHS.sub(" ", prose(cell))
    for not_a_result in (
        r"\[[^\]]*\]\([^)\s]*\.ipynb[^)]*\)",
        r"\]\([^)]*\)|<[^>]*>|https?://\S+",
        r"(?i)\barxiv:? ?\d{4}\.\d{4,5}(v\d+)?|\b(doi:? ?)?10\.\d{4,9}/\S+",
        r"(?m)^[ >]*\d+[.)] |^#+ \d+[.)]? ",
        r"(?i)\blessons? \d+((, | and | to | or |\u2013)\d+)*",
        r"\(([A-Z][^()\d]*)?(19|20)\d\d[a-z]?(?=[),;])|et al\.,? (19|20)\d\d[a-z]?",
    ):
        text = re.sub(not_a_result, " ", text)
    whole = rf"(?:\d{{1,3}}(?:[{THOUSANDS}]\d{{3}})+(?!\d)|\d+)"
    in_a_name = rf"-|\d|\.\d|[{THOUSANDS}]\d{{3}}|x\d|(?:st|nd|rd|th|D)\b"
    figures = rf"(?<![\w.-])[-+]?{whole}(?:\.\d+)?(?:e[-+]?\d+)?(?!{in_a_name})"
    return [(n, value_of(n)) for n in re.findall(figures, text.replace("\u2212", "-"))]


def numbers_printed(text: str) -> set[Decimal]:
    """Every number in an output; commas are read both as separators of thousands and of items."""
    text = TERMINAL_COLOUR.sub("", text).replace("\u2212", "-")
    figures = re.compile(r"(?:(?<![\w.)\]])[-+])?\d+(?:\.\d*)?(?:e[-+]?\d+)?", re.IGNORECASE)
    thousands = re.compile(rf"(?<=\d)[{THOUSANDS}](?=\d{{3}}(?!\d))")
    return {
        value_of(number)
        for reading in (text, thousands.sub("", text))
        for number in figures.findall(reading)
    }


def value_of(number: str) -> Decimal:
    """What a written number means; 2.50 is 2.5."""
    return Decimal(re.sub(f"[{THOUSANDS}]", "", number))


# --- the anatomy of a lesson ---------------------------------------------------------------------


def starts_with_its_title(notebook: Notebook) -> Iterator[str]:
    number = notebook.path.stem[:2]
    first = notebook.cells[0]
    if first.kind != "markdown" or not re.match(rf"# {number} · \S", first.source):
        yield f"it starts with {first.first_line!r}; start with '# {number} · Title' in Markdown"
    titles = [
        cell.id for cell in notebook.markdown if re.search(r"(?m)^# ", FENCE.sub("", cell.source))
    ]
    if len(titles) > 1:
        yield f"{titles[1]}: a second title; sections start with ##"


def has_a_card(notebook: Notebook) -> Iterator[str]:
    card = notebook.cells[0].source
    link = r"\]\([^)]+\)" if notebook.path.stem.startswith("00") else r"\]\(\d\d_\w+\.ipynb"
    for row, pattern, example in (
        ("After this lesson you can", r"\S", "write ISTA; prove that a solution is finished"),
        ("Reading time", r"\d+ minutes", "40 minutes"),
        ("Prerequisites", link, "[lesson 01](01_l2_from_scratch.ipynb): objective, gradient"),
    ):
        if not re.search(rf"(?m)^\| \*\*{row}\*\* \|.*{pattern}.*\|$", card):
            yield f"its card lacks a row; write below the title: | **{row}** | {example} |"


def imports_in_its_first_code_cell(notebook: Notebook) -> Iterator[str]:
    first, *later = notebook.code
    if not any(isinstance(node, ast.Import | ast.ImportFrom) for node in first.syntax().body):
        yield f"{first.id}: the first code cell imports nothing; put the lesson's imports there"
    for cell in later:
        for node in ast.walk(cell.syntax()):
            is_ours = isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("minilib.")
            if isinstance(node, ast.Import | ast.ImportFrom) and not is_ours:
                yield f"{cell.id}: move {ast.unparse(node)!r} to {first.id}; later only minilib"
    for cell in notebook.code:
        for node in ast.walk(cell.syntax()):
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                yield f"{cell.id}: {ast.unparse(node)!r} hides where names come from; list them"


def predicts_runs_explains_checks(notebook: Notebook) -> Iterator[str]:
    ideas = {heading: steps for heading, steps in sections(notebook) if "Predict" in steps}
    if not ideas:
        yield "no section predicts; write **Predict.**, a code cell, **Explain.**, **Check.**"
    for heading, steps in ideas.items():
        if not re.search(r"Predict( run)+ Explain\b.* Check\b", " ".join(steps)):
            yield (
                f"{heading!r} goes {', '.join(steps)}; write **Predict.**, a code cell, "
                "**Explain.** and **Check.** in this order"
            )


def sections(notebook: Notebook) -> Iterator[tuple[str, list[str]]]:
    """Each ## heading with the steps below it: Predict, run, Explain, Check."""
    heading, steps = "", []
    for cell in notebook.cells:
        if cell.kind == "code":
            steps.append("run")
            continue
        for title, step in re.findall(
            r"(?m)^## (.+)$|\*\*(Predict|Explain|Check)\.\*\*", prose(cell)
        ):
            if title:
                yield heading, steps
                heading, steps = title, []
            else:
                steps.append(step)
    yield heading, steps


def shows_a_picture(notebook: Notebook) -> Iterator[str]:
    kinds = {k for cell in notebook.code for output in cell.outputs for k in output.get("data", {})}
    if not any(kind.startswith("image/") for kind in kinds):
        yield "no output is a picture; a lesson has one main figure"


def sums_up_in_a_table(notebook: Notebook) -> Iterator[str]:
    if not re.search(r"(?m)^\|[ :|-]+\|$", notebook.section("Summary") or ""):
        yield "it has no table under '## Summary'; write one row for each thing to remember"


def asks_three_questions(notebook: Notebook) -> Iterator[str]:
    quiz = notebook.section("Quiz") or ""
    answers = re.findall(r"<details>\s*<summary>.+?</summary>.+?</details>", quiz, re.DOTALL)
    if len(answers) != 3 or quiz.count("<details") != 3:
        yield (
            f"it has {len(answers)} folded answers under '## Quiz'; write three questions, each "
            "with <details><summary>Answer</summary> why, and why not the others </details>"
        )


def cites_its_sources(notebook: Notebook) -> Iterator[str]:
    references = notebook.section("References") or ""
    if not re.search(r"(?i)arxiv(\.org/abs/|:| )\d{4}\.\d{4,5}|\b10\.\d{4,9}/\S", references):
        yield "it cites no arXiv or DOI number under '## References'; cite the method's source"


def leads_to_its_exercises(notebook: Notebook) -> Iterator[str]:
    topic = notebook.path.stem
    target = f"../exercises/{topic}/{topic}.ipynb"
    if f"]({target})" not in (notebook.section("Exercises") or ""):
        yield f"it has no link under '## Exercises'; write [Exercise {topic[:2]}]({target})"


NOTEBOOK_RULES = (
    stays_below_one_megabyte,
    was_run_from_top_to_bottom,
    shows_no_unintended_error,
    names_no_place_of_this_machine,
    gives_cells_lasting_names,
    runs_on_the_kernel_python3,
    is_plain_python,
    hides_no_errors,
    leaves_the_machine_alone,
    stays_off_the_network,
    seeds_no_global_generator,
    shows_progress_as_it_ended,
    describes_its_plots,
    describes_its_images,
    is_plain_markdown,
    links_lead_somewhere,
    reads_its_numbers_off_its_outputs,
)
LESSON_RULES = (
    starts_with_its_title,
    has_a_card,
    imports_in_its_first_code_cell,
    predicts_runs_explains_checks,
    shows_a_picture,
    sums_up_in_a_table,
    asks_three_questions,
    cites_its_sources,
    leads_to_its_exercises,
)
