"""The contract of Toxiproxy's API, held by a Toxiproxy in a container."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from midpipe.faultinject.toxiproxy.client import ToxiproxyClient
from midpipe.faultinject.vocabulary import Address
from tests.real import test_toxiproxy_contract as suite
from tests.support.toxiproxy_container import ToxiproxyContainer

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def api(toxiproxy: ToxiproxyContainer) -> Address:
    return toxiproxy.api


@pytest.fixture
def client(api: Address) -> Iterator[ToxiproxyClient]:
    made = ToxiproxyClient(api)
    yield made
    for name in made.names():
        made.destroy(name)
    made.close()


test_every_request_of_the_contract_is_answered = (
    suite.test_every_request_of_the_contract_is_answered
)
test_the_client_reports_the_version = suite.test_the_client_reports_the_version
test_a_second_proxy_of_one_name_is_refused = suite.test_a_second_proxy_of_one_name_is_refused
test_a_port_that_is_taken_is_an_error = suite.test_a_port_that_is_taken_is_an_error
test_a_proxy_goes_down_and_comes_up = suite.test_a_proxy_is_disabled_and_enabled_again
test_a_toxic_is_added_shown_and_removed = suite.test_a_toxic_is_added_shown_and_removed
test_a_toxic_that_does_not_exist_is_refused = suite.test_a_toxic_that_does_not_exist_is_refused
test_a_reset_brings_every_proxy_up = suite.test_a_reset_enables_every_proxy_and_removes_every_toxic
