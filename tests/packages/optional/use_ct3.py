# /// script
# dependencies = ["ct3"]
# ///
from Cheetah.Template import Template

assert str(Template("$name costs $price", searchList=[{"name": "tea", "price": 3}])) == "tea costs 3"
