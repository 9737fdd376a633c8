# expect: failed message='files do not outlive a run: return the value, keep it in context.state, or write it under /output (kept with the run) or /tmp (gone afterwards)'
# The working directory cannot be written to, and the error says where to put things.
with open("report.csv", "w") as file:
    file.write("a,b\n")
