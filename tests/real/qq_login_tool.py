"""Logs in at the simulator as shops do: with the package QQLoginTool, unmodified but for its base URL.

Arguments: base URL, client id, client secret, redirect_uri, state, user. Prints one JSON object.
"""

import html
import importlib.util
import json
import re
import sys
import types
from importlib.metadata import version
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

base, client_id, client_secret, redirect_uri, state, user = sys.argv[1:]

# The package imports Django's settings and does not use them.
django, conf = types.ModuleType("django"), types.ModuleType("django.conf")
conf.settings = None
sys.modules.update({"django": django, "django.conf": conf})

path = importlib.util.find_spec("QQLoginTool").submodule_search_locations[0] + "/QQtool.py"
with open(path, encoding="utf-8") as source:
    text = source.read()
assert text.count("https://graph.qq.com/") == 3, "the package is not the one this was written for"
tool = types.ModuleType("QQtool")
exec(compile(text.replace("https://graph.qq.com", base), path, "exec"), tool.__dict__)
qq = tool.OAuthQQ(client_id, client_secret, redirect_uri, state)

# The browser's part: follow to the page, press a user's button, stop at the address of the shop.
page = requests.get(qq.get_qq_url())
hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
form = {name: html.unescape(value) for name, value in hidden.items()} | {"user": user}
action = urljoin(page.url, re.search(r'<form method="post" action="([^"]*)">', page.text)[1])
back = requests.post(action, data=form, allow_redirects=False)
callback = back.headers["Location"]
returned = parse_qs(urlsplit(callback).query)

# The shop's part.
token = qq.get_access_token(returned["code"][0])
openid = qq.get_open_id(token)


def failure(call, *arguments):
    try:
        return f"returned {call(*arguments)!r}"
    except Exception as error:
        return str(error)


print(json.dumps({
    "version": version("QQLoginTool"),
    "status": back.status_code,
    "callback": callback.split("?")[0],
    "state": returned["state"][0],
    "token": token,
    "openid": openid,
    "used_code": failure(qq.get_access_token, returned["code"][0]),
    "unknown_token": failure(qq.get_open_id, "0" * 32),
}))
