# /// script
# dependencies = ["newrelic"]
# ///
import newrelic.agent


@newrelic.agent.function_trace()
def price():
    return 3


assert price() == 3
