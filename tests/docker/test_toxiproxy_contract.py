"""The suite that holds midpipe's proxy and a Toxiproxy here to one contract, asked of a Toxiproxy in a container."""

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
    suite.test_both_answer_every_request_of_the_contract
)
test_the_client_sees_the_version = suite.test_the_client_sees_the_version
test_a_second_proxy_of_one_name_is_refused = suite.test_a_second_proxy_of_one_name_is_refused
test_a_port_that_is_taken_is_an_error = (
    suite.test_a_port_that_is_taken_is_an_error_and_not_a_success
)
test_a_proxy_goes_down_and_comes_up = suite.test_a_proxy_goes_down_and_comes_up_on_the_same_port
test_a_toxic_is_added_shown_and_removed = suite.test_a_toxic_is_added_shown_and_removed
test_a_toxic_that_does_not_exist_is_refused = suite.test_a_toxic_that_does_not_exist_is_refused
test_a_reset_brings_every_proxy_up = (
    suite.test_a_reset_brings_every_proxy_up_and_takes_every_toxic_off
)
