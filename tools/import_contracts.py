"""An import-linter contract that import-linter lacks: what a package may import, rather than what it may not."""

import sys
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyImports(Contract):
    """The modules in `source_modules`, and all below them, import only `allowed_modules` and the standard library."""

    # import-linter puts the values read from pyproject.toml in place of these.
    source_modules: Any = fields.ListField(subfield=fields.StringField())
    allowed_modules: Any = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """List each import that is not allowed, with its line."""
        found: list[str] = []
        for root in self.source_modules:
            for module in sorted({root} | graph.find_descendants(root)):
                for imported in sorted(graph.find_modules_directly_imported_by(module)):
                    if not self._is_allowed(imported):
                        lines = graph.get_import_details(importer=module, imported=imported)
                        places = ", ".join(str(line["line_number"]) for line in lines)
                        found.append(f"{module} imports {imported} (line {places})")
        return ContractCheck(kept=not found, metadata={"found": found})

    def _is_allowed(self, imported: str) -> bool:
        if imported.split(".")[0] in sys.stdlib_module_names:
            return True
        return any(
            imported == allowed or imported.startswith(f"{allowed}.") for allowed in self.allowed_modules
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the imports that `check` found."""
        for line in check.metadata["found"]:
            output.print_error(line)
