"""The literature that a run or a model rests on, once and with DOIs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """One paper.

    Attributes:
        key: Of BibTeX.
        authors: As BibTeX has them.
        title: Of the paper.
        journal: In full words.
        volume: Of the journal.
        pages: First page, or number of the article.
        year: Of print.
        doi: Without https://doi.org/; empty where it was not checked.
    """

    key: str
    authors: str
    title: str
    journal: str
    volume: str
    pages: str
    year: int
    doi: str

    @property
    def text(self) -> str:
        """The reference on one line."""
        names = [" ".join(reversed(name.split(", "))) for name in self.authors.split(" and ")]
        who = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        link = f", https://doi.org/{self.doi}" if self.doi else ""
        found = f"{who}, {self.title}, {self.journal} {self.volume}, {self.pages} ({self.year}){link}"
        return _plain(found)

    @property
    def bibtex(self) -> str:
        """The entry for a BibTeX file."""
        fields = {
            "author": self.authors,
            "title": f"{{{self.title}}}",
            "journal": self.journal,
            "volume": self.volume,
            "pages": self.pages,
            "year": str(self.year),
            "doi": self.doi,
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@article{{{self.key},", *lines, "}"])


def _plain(text: str) -> str:
    """Return text with letters in the place of what TeX writes for them."""
    for tex, letter in _LETTERS.items():
        text = text.replace(tex, letter)
    return text.replace("others", "et al.").replace(" and et al.", " et al.")


_LETTERS = {"{\\'e}": "é", "{\\'a}": "á", "{\\'o}": "ó", '{\\"u}': "ü", '{\\"o}': "ö", "{\\o}": "ø"}
_JCP = "The Journal of Chemical Physics"
_JCTC = "Journal of Chemical Theory and Computation"

REFERENCES: dict[str, Reference] = {
    one.key: one
    for one in (
        Reference(
            *("tully1990", "Tully, John C.", "Molecular dynamics with electronic transitions"),
            *(_JCP, "93", "1061", 1990, "10.1063/1.459170"),
        ),
        Reference(
            *("hammesschiffer1994", "Hammes-Schiffer, Sharon and Tully, John C."),
            "Proton transfer in solution: Molecular dynamics with quantum transitions",
            *(_JCP, "101", "4657", 1994, "10.1063/1.467455"),
        ),
        Reference(
            *("granucci2001", "Granucci, G. and Persico, M. and Toniolo, A."),
            "Direct semiclassical simulation of photochemical processes with semiempirical wave functions",
            *(_JCP, "114", "10608", 2001, "10.1063/1.1376633"),
        ),
        Reference(
            "plasser2012",
            "Plasser, Felix and Granucci, Giovanni and Pittner, Jiri and Barbatti, Mario and Persico, "
            "Maurizio and Lischka, Hans",
            "Surface hopping dynamics using a locally diabatic formalism: Charge transfer in the ethylene "
            "dimer cation and excited state dynamics in the 2-pyridone dimer",
            *(_JCP, "137", "22A514", 2012, "10.1063/1.4738960"),
        ),
        Reference(
            *("granucci2007", "Granucci, Giovanni and Persico, Maurizio"),
            "Critical appraisal of the fewest switches algorithm for surface hopping",
            *(_JCP, "126", "134114", 2007, "10.1063/1.2715585"),
        ),
        Reference(
            *("jain2016", "Jain, Amber and Alguire, Ethan and Subotnik, Joseph E."),
            "An Efficient, Augmented Surface Hopping Algorithm That Includes Decoherence for Use in "
            "Large-Scale Simulations",
            *(_JCTC, "12", "5256", 2016, "10.1021/acs.jctc.6b00673"),
        ),
        Reference(
            *("ha2018", "Ha, Jong-Kwon and Lee, In Seong and Min, Seung Kyu"),
            "Surface Hopping Dynamics beyond Nonadiabatic Couplings for Quantum Coherence",
            *("The Journal of Physical Chemistry Letters", "9", "1097", 2018, ""),
        ),
        Reference(
            "nelson2013",
            "Nelson, Tammie and Fernandez-Alberti, Sebastian and Roitberg, Adrian E. and Tretiak, Sergei",
            "Nonadiabatic excited-state molecular dynamics: Treatment of electronic decoherence",
            *(_JCP, "138", "224111", 2013, "10.1063/1.4809568"),
        ),
        Reference(
            *("wang2014", "Wang, Linjun and Trivedi, Dhara and Prezhdo, Oleg V."),
            "Global Flux Surface Hopping Approach for Mixed Quantum-Classical Dynamics",
            *(_JCTC, "10", "3598", 2014, "10.1021/ct5003835"),
        ),
        Reference(
            *("belyaev2011", "Belyaev, Andrey K. and Lebedev, Oleg V."),
            "Nonadiabatic nuclear dynamics of atomic collisions based on branching classical trajectories",
            *("Physical Review A", "84", "014701", 2011, "10.1103/PhysRevA.84.014701"),
        ),
        Reference(
            *("mannouch2023", "Mannouch, Jonathan R. and Richardson, Jeremy O."),
            "A mapping approach to surface hopping",
            *(_JCP, "158", "104111", 2023, "10.1063/5.0139734"),
        ),
        Reference(
            *("runeson2023", "Runeson, Johan E. and Manolopoulos, David E."),
            "A multi-state mapping approach to surface hopping",
            *(_JCP, "159", "094115", 2023, "10.1063/5.0158147"),
        ),
        Reference(
            *("zhu2004", "Zhu, Chaoyuan and Nangia, Shikha and Jasper, Ahren W. and Truhlar, Donald G."),
            "Coherent switching with decay of mixing: An improved treatment of electronic coherence for "
            "non-Born-Oppenheimer trajectories",
            *(_JCP, "121", "7658", 2004, "10.1063/1.1793991"),
        ),
        Reference(
            *("jaeger2012", "Jaeger, Heather M. and Fischer, Sean and Prezhdo, Oleg V."),
            "Decoherence-induced surface hopping",
            *(_JCP, "137", "22A545", 2012, "10.1063/1.4757100"),
        ),
        Reference(
            *("li2005", "Li, Xiaosong and Tully, John C. and Schlegel, H. Bernhard and Frisch, Michael J."),
            "Ab initio Ehrenfest dynamics",
            *(_JCP, "123", "084106", 2005, "10.1063/1.2008258"),
        ),
        Reference(
            *("runeson2019", "Runeson, Johan E. and Richardson, Jeremy O."),
            "Spin-mapping approach for nonadiabatic molecular dynamics",
            *(_JCP, "151", "044119", 2019, "10.1063/1.5100506"),
        ),
        Reference(
            *("runeson2020", "Runeson, Johan E. and Richardson, Jeremy O."),
            "Generalized spin mapping for quantum-classical dynamics",
            *(_JCP, "152", "084110", 2020, "10.1063/1.5143412"),
        ),
        Reference(
            *("cotton2019", "Cotton, Stephen J. and Miller, William H."),
            "A symmetrical quasi-classical windowing model for the molecular dynamics treatment of "
            "non-adiabatic processes involving many electronic states",
            *(_JCP, "150", "104101", 2019, ""),
        ),
        Reference(
            *(
                "swope1982",
                "Swope, William C. and Andersen, Hans C. and Berens, Peter H. and Wilson, Kent R.",
            ),
            "A computer simulation method for the calculation of equilibrium constants for the formation of "
            "physical clusters of molecules: Application to small water clusters",
            *(_JCP, "76", "637", 1982, "10.1063/1.442716"),
        ),
        Reference(
            *("leimkuhler2013", "Leimkuhler, Benedict and Matthews, Charles"),
            "Robust and efficient configurational molecular sampling via Langevin dynamics",
            *(_JCP, "138", "174102", 2013, "10.1063/1.4802990"),
        ),
        Reference(
            *("bussi2007", "Bussi, Giovanni and Donadio, Davide and Parrinello, Michele"),
            "Canonical sampling through velocity rescaling",
            *(_JCP, "126", "014101", 2007, "10.1063/1.2408420"),
        ),
        Reference(
            *("andersen1980", "Andersen, Hans C."),
            "Molecular dynamics simulations at constant pressure and/or temperature",
            *(_JCP, "72", "2384", 1980, "10.1063/1.439486"),
        ),
        Reference(
            *("martyna1992", "Martyna, Glenn J. and Klein, Michael L. and Tuckerman, Mark"),
            "Nos{\\'e}-Hoover chains: The canonical ensemble via continuous dynamics",
            *(_JCP, "97", "2635", 1992, "10.1063/1.463940"),
        ),
        Reference(
            *("bernetti2020", "Bernetti, Mattia and Bussi, Giovanni"),
            "Pressure control using stochastic cell rescaling",
            *(_JCP, "153", "114107", 2020, "10.1063/5.0020514"),
        ),
        Reference(
            *("wigner1932", "Wigner, E."),
            "On the Quantum Correction For Thermodynamic Equilibrium",
            *("Physical Review", "40", "749", 1932, "10.1103/PhysRev.40.749"),
        ),
        Reference(
            *("mai2015", "Mai, Sebastian and Marquetand, Philipp and Gonz{\\'a}lez, Leticia"),
            "A general method to describe intersystem crossing dynamics in trajectory surface hopping",
            *("International Journal of Quantum Chemistry", "115", "1215", 2015, ""),
        ),
        Reference(
            *("behler2011", 'Behler, J{\\"o}rg'),
            "Atom-centered symmetry functions for constructing high-dimensional neural network potentials",
            *(_JCP, "134", "074106", 2011, "10.1063/1.3553717"),
        ),
        Reference(
            *("bartok2013", "Bart{\\'o}k, Albert P. and Kondor, Risi and Cs{\\'a}nyi, G{\\'a}bor"),
            "On representing chemical environments",
            *("Physical Review B", "87", "184115", 2013, "10.1103/PhysRevB.87.184115"),
        ),
        Reference(
            *("drautz2019", "Drautz, Ralf"),
            "Atomic cluster expansion for accurate and transferable interatomic potentials",
            *("Physical Review B", "99", "014104", 2019, "10.1103/PhysRevB.99.014104"),
        ),
        Reference(
            "schuett2018",
            'Sch{\\"u}tt, K. T. and Sauceda, H. E. and Kindermans, P.-J. and Tkatchenko, A. and '
            'M{\\"u}ller, K.-R.',
            "SchNet - A deep learning architecture for molecules and materials",
            *(_JCP, "148", "241722", 2018, "10.1063/1.5019779"),
        ),
        Reference(
            "batzner2022",
            "Batzner, Simon and Musaelian, Albert and Sun, Lixin and Geiger, Mario and Mailoa, Jonathan "
            "P. and Kornbluth, Mordechai and Molinari, Nicola and Smidt, Tess E. and Kozinsky, Boris",
            "E(3)-equivariant graph neural networks for data-efficient and accurate interatomic potentials",
            *("Nature Communications", "13", "2453", 2022, "10.1038/s41467-022-29939-5"),
        ),
        Reference(
            "grimme2011",
            "Grimme, Stefan and Ehrlich, Stephan and Goerigk, Lars",
            "Effect of the damping function in dispersion corrected density functional theory",
            *("Journal of Computational Chemistry", "32", "1456", 2011, "10.1002/jcc.21759"),
        ),
        Reference(
            "sun2020",
            "Sun, Qiming and Zhang, Xing and Banerjee, Samragni and Bao, Peng and others",
            "Recent developments in the PySCF program package",
            *(_JCP, "153", "024109", 2020, "10.1063/5.0006074"),
        ),
        Reference(
            "larsen2017",
            "Larsen, Ask Hjorth and Mortensen, Jens J{\\o}rgen and Blomqvist, Jakob and Castelli, Ivano E. "
            "and others",
            "The atomic simulation environment - a Python library for working with atoms",
            *("Journal of Physics: Condensed Matter", "29", "273002", 2017, "10.1088/1361-648X/aa680e"),
        ),
        Reference(
            *("harris2020", "Harris, Charles R. and Millman, K. Jarrod and others"),
            "Array programming with NumPy",
            *("Nature", "585", "357", 2020, "10.1038/s41586-020-2649-2"),
        ),
        Reference(
            *("virtanen2020", "Virtanen, Pauli and Gommers, Ralf and Oliphant, Travis E. and others"),
            "SciPy 1.0: fundamental algorithms for scientific computing in Python",
            *("Nature Methods", "17", "261", 2020, "10.1038/s41592-019-0686-2"),
        ),
    )
}
