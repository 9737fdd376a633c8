# expect: succeeded stdout='rows: 61 sum: 91500' stdout='formula: =SUM(D2:D61)' stdout="sheets: ['Sales', 'By region', 'Chart']" output='Report März 2026.xlsx' output=by_region.html
# /// script
# dependencies = ["openpyxl", "tablib"]
# ///
from datetime import date, timedelta
from openpyxl import Workbook, load_workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
import tablib

FILE = "/output/Report März 2026.xlsx"
regions = ["North", "South", "East", "West"]
rows = [(date(2026, 3, 1) + timedelta(days=i), regions[i % 4], i % 7, 50 * (i + 1)) for i in range(60)]

wb = Workbook()
ws = wb.active
ws.title = "Sales"
ws.append(["Date", "Region", "Units", "Amount"])
for cell in ws[1]:
    cell.font = Font(bold=True, color="FFFFFF")
    cell.fill = PatternFill("solid", fgColor="4F81BD")
    cell.alignment = Alignment(horizontal="center")
    cell.border = Border(bottom=Side(style="thin"))
for r in rows:
    ws.append(r)
for row in ws.iter_rows(min_row=2, min_col=4, max_col=4):
    row[0].number_format = "#,##0.00 €"
ws["F1"] = "=SUM(D2:D%d)" % (len(rows) + 1)
for col in ws.columns:
    width = max(len(str(c.value)) if c.value is not None else 0 for c in col)
    ws.column_dimensions[get_column_letter(col[0].column)].width = width + 2
ws.freeze_panes = "A2"
ws.auto_filter.ref = ws.dimensions

data = tablib.Dataset(*[(r[1], r[3]) for r in rows], headers=["Region", "Amount"])
ws2 = wb.create_sheet("By region")
ws2.append(["Region", "Amount"])
summary = tablib.Dataset(headers=["Region", "Amount"])
for name in regions:
    total = sum(a for r, a in data if r == name)
    ws2.append([name, total])
    summary.append([name, total])
chart = BarChart()
chart.title = "Amount by region"
chart.add_data(Reference(ws2, min_col=2, min_row=1, max_row=5), titles_from_data=True)
chart.set_categories(Reference(ws2, min_col=1, min_row=2, max_row=5))
wb.create_sheet("Chart").add_chart(chart, "B2")
wb.save(FILE)

with open("/output/by_region.html", "w") as f:
    f.write("<h1>By region</h1>" + summary.export("html"))
print(summary.export("csv"))

check = load_workbook(FILE)
values = [c.value for c in check["Sales"]["D"]][1:]
print("rows:", check["Sales"].max_row, "sum:", sum(values))
print("formula:", check["Sales"]["F1"].value)
print("sheets:", check.sheetnames)
assert check["Sales"]["A2"].value.date() == date(2026, 3, 1)
