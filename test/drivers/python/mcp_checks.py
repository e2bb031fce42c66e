"""The Python SDK at Postern: PLACE says where and how (JSON), CALLS and MISTAKES what every client is made to call."""

import asyncio
import json
import os
import sys
import time
import traceback

import httpx2
import psycopg
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult, PromptReference

PLACE = json.loads(os.environ["PLACE"])
SLOW_QUERY = os.environ["SLOW_QUERY"]
MARK = os.environ["MARK"]
HANDLE = "<handle>"


class Host:
    """A client with a user who can be asked, and what that user answers."""

    def __init__(self, asked: bool = True):
        self.questions: list[str] = []
        self.answer = ElicitResult(action="decline")
        self._http = None
        if "url" in PLACE:
            headers = {"Authorization": f"Bearer {PLACE['key']}"}
            self._http = httpx2.AsyncClient(headers=headers, timeout=30)
            server = streamable_http_client(PLACE["url"], http_client=self._http)
        else:
            server = StdioServerParameters(command=PLACE["command"], args=PLACE["args"], env=PLACE["env"])
        self._client = Client(server, mode=PLACE["mode"], elicitation_callback=self._ask if asked else None)

    async def _ask(self, _context, params):
        self.questions.append(params.message)
        return self.answer

    async def __aenter__(self):
        self.client = await self._client.__aenter__()
        return self

    async def __aexit__(self, *about):
        await self._client.__aexit__(*about)
        if self._http is not None:
            await self._http.aclose()

    async def call(self, name, /, **arguments):
        result = await self.client.call_tool(name, arguments)
        told = result.structured_content
        assert told["success"] is not bool(result.is_error), told
        assert told["request_id"] in result.content[0].text, result.content
        return told


def matches(told, expected) -> bool:
    if isinstance(expected, dict):
        return isinstance(told, dict) and all(matches(told.get(name), value) for name, value in expected.items())
    if isinstance(expected, list):
        return (
            isinstance(told, list)
            and len(told) == len(expected)
            and all(matches(*pair) for pair in zip(told, expected, strict=True))
        )
    return told == expected


async def is_running() -> bool:
    async with await psycopg.AsyncConnection.connect(os.environ["WATCH_URL"]) as watcher:
        found = await watcher.execute(
            "select from pg_stat_activity where state = 'active' and query like %s and pid <> pg_backend_pid()",
            [f"%{MARK}%"],
        )
        return found.rowcount > 0


async def within(seconds: float, wanted: bool) -> None:
    until = time.monotonic() + seconds
    while await is_running() is not wanted:
        assert time.monotonic() < until, f"not {wanted} within {seconds} s"
        await asyncio.sleep(0.02)


async def it_calls_every_tool(host: Host):
    calls = json.loads(os.environ["CALLS"])
    tools = (await host.client.list_tools()).tools
    assert [tool.name for tool in tools] == [name for name, _, _ in calls if name != "configure_pipeline"], tools
    made = ""
    for name, arguments, data in calls:
        filled = json.loads(json.dumps([arguments, data]).replace(HANDLE, made))
        told = await host.call(name, **filled[0])
        if isinstance(data, str):
            assert told["error"]["code"] == data, told
        else:
            assert matches(told.get("data"), filled[1]), (name, told)
        if name == "provision_schema":
            made = told["data"]["handle"]


async def it_is_told_what_is_wrong(host: Host):
    for name, arguments, code in json.loads(os.environ["MISTAKES"]):
        told = await host.call(name, **arguments)
        assert told["error"]["code"] == code, (name, told)


async def it_speaks_its_protocol(host: Host):
    assert host.client.protocol_version == PLACE["protocol"], host.client.protocol_version
    assert "rows" in host.client.instructions.lower(), host.client.instructions


async def it_reads_prompts_and_completes(host: Host):
    client = host.client
    assert len((await client.list_resource_templates()).resource_templates) == 3
    assert (await client.list_resources()).resources == []
    read = await client.read_resource("postern://crm/crm/orders")
    assert "customer_id" in read.contents[0].text, read
    try:
        await client.read_resource("postern://crm/crm/nowhere")
        raise AssertionError("nowhere was found")
    except MCPError as error:
        assert "not found" in str(error).lower(), error
    assert len((await client.list_prompts()).prompts) == 3
    prompt = await client.get_prompt("answer-with-sql", {"question": "How many?"})
    assert "How many?" in prompt.messages[0].content.text, prompt
    completed = await client.complete(
        PromptReference(name="explore-database"), {"name": "database", "value": "cr"}
    )
    assert completed.completion.values == ["crm"], completed


async def it_cancels(host: Host):
    asked = asyncio.create_task(host.client.call_tool("query", {"sql": SLOW_QUERY}))
    await within(10, True)
    asked.cancel()
    try:
        await asked
        raise AssertionError("it answered")
    except asyncio.CancelledError:
        pass
    await within(1, False)
    assert (await host.call("query", sql="select 1"))["success"]


async def it_confirms_and_declines(host: Host):
    schema = (await host.call("provision_schema", purpose="one"))["data"]["schema"]
    host.questions.clear()
    host.answer = ElicitResult(action="decline")
    assert (await host.call("teardown_schema", schema=schema))["error"]["code"] == "CANCELLED"
    host.answer = ElicitResult(action="accept", content={"name": "another"})
    assert (await host.call("teardown_schema", schema=schema))["error"]["code"] == "CONFIRMATION_REQUIRED"
    host.answer = ElicitResult(action="accept", content={"name": schema})
    assert (await host.call("teardown_schema", schema=schema))["data"]["schema"] == schema
    assert len(host.questions) == 3 and schema in host.questions[0], host.questions


async def it_takes_a_code_where_nobody_can_be_asked(_host: Host):
    async with Host(asked=False) as silent:
        schema = (await silent.call("provision_schema", purpose="two"))["data"]["schema"]
        error = (await silent.call("teardown_schema", schema=schema))["error"]
        assert error["code"] == "CONFIRMATION_REQUIRED", error
        code = error["hint"].split('confirmation_code "')[1].split('"')[0]
        assert (await silent.call("teardown_schema", schema=schema, confirmation_code=code))["success"]
        await silent.call("provision_schema", purpose="two")
        again = await silent.call("teardown_schema", schema=schema, confirmation_code=code)
        assert again["error"]["code"] == "CONFIRMATION_REQUIRED", again
        # It goes in the middle of a query.
        asked = asyncio.create_task(silent.client.call_tool("query", {"sql": SLOW_QUERY}))
        await within(10, True)
        asked.add_done_callback(lambda task: task.cancelled() or task.exception())
    await within(1, False)


async def it_hears_how_a_run_gets_on(_host: Host):
    heard = []

    async def note(progress, _total, message):
        heard.append((progress, message))

    PLACE.update(PLACE["loading"])
    async with Host() as host:
        handle = (await host.call("provision_schema", purpose="loads"))["data"]["handle"]
        run = {"pipeline": "orders", "schema": handle}
        result = await host.client.call_tool("run_materialization", run, progress_callback=note)
        assert result.structured_content["data"]["state"] == "succeeded", result
    steps = [progress for progress, _ in heard]
    assert len(steps) >= 2 and steps == sorted(set(steps)), heard


async def main() -> None:
    async with Host() as host:
        for name, check in list(globals().items()):
            if not name.startswith("it_"):
                continue
            error = None
            try:
                await asyncio.wait_for(check(host), 30)
            except BaseException:
                error = traceback.format_exc(limit=-4)
            print(json.dumps({"check": name, "error": error}), flush=True)


async def be_killed() -> None:
    async with Host() as host:
        await host.call("query", sql=SLOW_QUERY)


asyncio.run(be_killed() if sys.argv[1:] == ["be_killed"] else main())
