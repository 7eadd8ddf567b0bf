"""The contract on imports that the project adds to import-linter."""

from grimp import ImportGraph

from tools.import_contracts import OnlyImports


def contract() -> OnlyImports:
    return OnlyImports(
        name="rules are pure",
        session_options={},
        contract_options={"source_modules": ["rules"], "allowed_modules": ["rules", "numpy"]},
    )


def graph(*imports: tuple[str, str]) -> ImportGraph:
    made = ImportGraph()
    for module in ("rules", "rules.blocks"):
        made.add_module(module)
    for importer, imported in imports:
        made.add_import(importer=importer, imported=imported, line_number=7, line_contents="")
    return made


def test_numpy_the_standard_library_and_the_package_itself_may_be_imported() -> None:
    kept = graph(("rules.blocks", "numpy"), ("rules.blocks", "datetime"), ("rules", "rules.blocks"))
    assert contract().check(kept, verbose=False).kept


def test_any_other_import_breaks_it_and_is_named_with_its_line() -> None:
    check = contract().check(graph(("rules.blocks", "sqlalchemy"), ("rules", "numpyish")), verbose=False)
    assert not check.kept
    assert check.metadata["found"] == [
        "rules imports numpyish (line 7)",
        "rules.blocks imports sqlalchemy (line 7)",
    ]
