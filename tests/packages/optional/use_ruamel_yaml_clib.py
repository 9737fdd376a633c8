# /// script
# dependencies = ["ruamel.yaml", "ruamel-yaml-clib"]
# ///
import io

from ruamel.yaml import YAML

yaml = YAML()
text = "# prices\ntea: 3.5  # dear\n"
value = yaml.load(text)
value["rice"] = 2
out = io.StringIO()
yaml.dump(value, out)
assert out.getvalue() == text + "rice: 2\n"
