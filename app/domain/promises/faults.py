"""What is wrong in a policy file, and where."""

from dataclasses import dataclass

from app.domain.promises.lines import Path, line_of


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a policy file."""

    file: str
    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.reason}"

    def to_json(self) -> dict[str, str | int]:
        """The four parts by name."""
        return {"file": self.file, "line": self.line, "field": self.field, "reason": self.reason}


class PolicyRefused(ValueError):
    """The policy files have faults; the policy in force stays."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(map(str, faults)))


def file_name(name: str) -> str:
    """The file of a policy: `genchi` → `genchi.toml`."""
    return f"{name}.toml"


class PolicyText:
    """The text of a policy file, with the faults found in it so far."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.faults: list[Fault] = []

    def fault(self, path: Path, reason: str) -> None:
        """Note what is wrong with the value at `path`."""
        field = ".".join(map(str, path))
        self.faults.append(Fault(file_name(self.name), line_of(self.text, path), field, reason))


def stop_if_faulty(*files: PolicyText) -> None:
    """Raise `PolicyRefused` with all that was noted about these files, if anything was."""
    faults = tuple(fault for file in dict.fromkeys(files) for fault in file.faults)
    if faults:
        raise PolicyRefused(faults)
