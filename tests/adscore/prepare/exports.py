"""Exports of other languages, platforms, encodings and habits."""

import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from adscore.creative import Target
from adscore.prepare.export import ReadOptions
from adscore.prepare.layout import Choices
from adscore.prepare.prepare import Prepared, PrepareOptions, prepare
from adscore.table.sheet import SheetOptions

ADS = {"1": (1298, 12), "2": (2500, 30), "3": (800, 7)}
ROWS = {"row 1": (1298, 12), "row 2": (2500, 30), "row 3": (800, 7)}

GOOGLE_FR = """Rapport sur les annonces
1 septembre 2026 - 30 septembre 2026
État de l'annonce;Campagne;ID de l'annonce;Titre 1;Code de la devise;Clics;Impr.;CTR;Coût
Activée;Jardin;1;Tondeuses discrètes;EUR;12;1\u202f298;0,92 %;12,34
Activée;Jardin;2;Pelles;EUR;30;2\u202f500;1,20 %;22,10
Activée;Maison;3;Draps;EUR;7;800;0,88 %;3,00
Total : annonces;--;--;--;EUR;49;4\u202f598;1,07 %;37,44
"""
GOOGLE_ES = """Informe de anuncios
Estado del anuncio,Campaña,Grupo de anuncios,ID del anuncio,Título 1,Clics,Impr.,CTR,Coste
Habilitado,Jardín,G1,1,Cortacéspedes,12,"1.298","0,92 %","12,34"
Habilitado,Jardín,G1,2,Palas,30,"2.500","1,20 %","22,10"
Habilitado,Casa,G2,3,Sábanas,7,800,"0,88 %","3,00"
Total: anuncios, --, --, --, --,49,"4.598","1,07 %","37,44"
"""
GOOGLE_JA = """広告レポート
2026年9月1日 - 2026年9月30日
広告のステータス,キャンペーン,広告グループ,広告 ID,広告見出し 1,クリック数,表示回数,クリック率,費用
有効,庭,G1,1,静かな芝刈り機,12,"1,298",0.92%,"1,234"
有効,庭,G1,2,シャベル,30,"2,500",1.20%,"2,210"
有効,家,G2,3,シーツ,7,800,0.88%,300
合計: 広告, --, --, --, --,49,"4,598",1.07%,"3,744"
"""
META_FR = """Début des rapports,Nom de la campagne,Identifiant de la publicité,Impressions,Montant dépensé (EUR),Clics (tous),Clics sur un lien
2026-09-01,,,4598,"37,44",80,49
2026-09-01,Jardin,1,1298,"12,34",20,12
2026-09-01,Jardin,2,2500,"22,10",50,30
2026-09-01,Maison,3,800,"3,00",10,7
"""  # noqa: E501 - as it is exported
META_DE = """Berichtsbeginn;Kampagnenname;Anzeigenname;Überschrift;Impressionen;Ausgegebener Betrag (EUR);Link-Klicks
2026-09-01;Garten;P1;Mäher;1.298;12,34;12
2026-09-01;Garten;P2;Spaten;2.500;22,10;30
2026-09-01;Haus;P3;Laken;800;3,00;7
"""  # noqa: E501
PINTEREST = """Campaign name,Ad group name,Ad ID,Pin title,Image URL,Impressions,Pin clicks,Spend
Garden,G1,1,Mowers,https://x.example/a.png,"1,298",12,12.34
Garden,G1,2,Spades,https://x.example/b.png,"2,500",30,22.10
Home,G2,3,Sheets,https://x.example/c.png,800,7,3.00
"""
SNAP = """Start Time,Campaign Name,Ad Squad Name,Ad ID,Headline,Paid Impressions,Swipe Ups,Spend
2026-09-01,Garden,S1,1,Mowers,1298,12,12.34
2026-09-01,Garden,S1,2,Spades,2500,30,22.10
2026-09-01,Home,S2,3,Sheets,800,7,3.00
"""
MICROSOFT_API = """TimePeriod,CampaignName,AdId,TitlePart1,Impressions,Clicks
2026-09-01,Garden,1,Mowers,1000,10
2026-09-02,Garden,1,Mowers,298,2
2026-09-01,Garden,2,Spades,2500,30
2026-09-01,Home,3,Sheets,800,7
"""
PLAIN = """campaign,headline,impressions,clicks
A,Mowers,1298,12
A,Spades,2500,30
B,Sheets,800,7
"""
RESPONSIVE = """Campaign,Ad ID,Ad type,Headline 1,Headline 2,Headline 3,Clicks,Impr.,Avg. CPC
A,1,RSA,Mowers,Now,,12,1298,0.5
A,2,RSA,Spades, --,Fine,30,2500,0.5
B,3,RSA,Sheets,,,7,800,0.5
"""
TIKTOK = ["Campaign name", "Ad group name", "Ad ID", "Text", "Impressions", "Clicks (destination)"]
TIKTOK_ROWS: list[list[object]] = [
    ["Garden", "G1", "1", "Mowers", 1298, 12],
    ["Garden", "G1", "2", "Spades", 2500, 30],
    ["Home", "G2", "3", "Sheets", 800, 7],
]


DV360 = """Creative,Creative ID,Campaign,Impressions,Clicks
Mowers,1,Garden,1298,12
Spades,2,Garden,2500,30
Sheets,3,Home,800,7
,,,4598,49
Report Time:,2026/10/01 08:00 GMT
Date Range:,2026/09/01 to 2026/10/01
Reporting numbers are final
"""
API_ROWS = [
    {"campaign": {"name": name}, "adGroupAd": {"ad": {"id": ad}},
     "metrics": {"impressions": str(impressions), "clicks": str(clicks)}}
    for name, (ad, (impressions, clicks)) in zip("AAB", ADS.items(), strict=True)
]  # fmt: skip


def workbook(**sheets: list[list[object]]) -> bytes:
    book = Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def archive(files: dict[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return file.getvalue()


def with_column(name: str, *cells: object) -> list[list[object]]:
    rows = zip(TIKTOK_ROWS, cells, strict=True)
    return [[*TIKTOK, name], *([*row, cell] for row, cell in rows)]


@dataclass(frozen=True)
class Case:
    """An export and the counts that it gives, impressions and clicks by id."""

    content: str | bytes
    expected: dict[str, tuple[int, int]]
    choices: dict[str, Any] = field(default_factory=dict)
    sheet: dict[str, Any] = field(default_factory=dict)

    def prepared(self, folder: Path) -> Prepared:
        path = folder / "export"
        data = self.content if isinstance(self.content, bytes) else self.content.encode()
        path.write_bytes(data)
        targets = tuple(map(Target.parse, self.choices.get("targets", ())))
        choices = Choices(**{**self.choices, "targets": targets})
        read = ReadOptions(SheetOptions(**self.sheet), choices)
        return prepare([str(path)], PrepareOptions(read))
