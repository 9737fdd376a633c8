# expect: succeeded result='{"run": 4, "failures": 1, "errors": 0, "skipped": 1}' stderr='AssertionError: 3 != 4' fuel=8e9
# A test suite inside the sandbox, with mocks and an async test.
import sys
import unittest
import unittest.mock


class Prices(unittest.TestCase):
    def test_sum(self):
        with self.subTest("small"):
            self.assertEqual(1 + 2, 3)

    def test_wrong(self):
        self.assertEqual(1 + 2, 4)

    @unittest.skip("not today")
    def test_skipped(self):
        pass


class Waits(unittest.IsolatedAsyncioTestCase):
    async def test_mock(self):
        fetch = unittest.mock.AsyncMock(return_value=7)
        self.assertEqual(await fetch("ACME"), 7)
        fetch.assert_awaited_once_with("ACME")


def run():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    outcome = unittest.TextTestRunner(stream=sys.stderr).run(suite)
    return {"run": outcome.testsRun, "failures": len(outcome.failures), "errors": len(outcome.errors), "skipped": len(outcome.skipped)}
