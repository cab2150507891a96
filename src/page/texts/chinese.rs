//! 简体中文。

use super::{Saying, Texts};

pub(super) static TEXTS: Texts = Texts {
    guarded_by: "由门神守护",
    quote_this: ("错误 ", "。需要帮助时，请告诉客服这个编号："),

    log_in: "登录",
    log_in_in_this_browser: "在这个浏览器里登录",
    log_in_with: ("用 ", " 登录"),
    log_out: "退出登录",
    stay: "先不退出",
    home: "回到首页",
    back: "回到刚才的页面",
    retry: "再试一次",

    retry_in_a_moment: "请稍等一下再试。",
    retry_in_seconds: ("请在大约 ", " 秒后再试。"),
    retry_in_minutes: ("请在大约 ", " 分钟后再试。"),
    retry_later: "请今天晚些时候再来。",

    login_heading: "欢迎，请登录",
    login_invitation: "登录后会带你回到刚才的地方。",
    password_stays_there: "密码只在对方的页面上输入，本站看不到。",
    no_way_to_log_in: "这个网站还没有开通登录方式。",

    confirm_logout_heading: "要退出登录吗？",
    logged_in_as: ("现在登录的账号是 ", ""),
    logged_out: Saying {
        errmsg: "OK",
        heading: "你已退出登录",
        body: "下次见！如果这台设备是大家共用的，别忘了把 QQ 也退出。",
    },

    cancelled: Saying {
        errmsg: "缺少code",
        heading: "登录已取消",
        body: "没关系，什么都没有改变。想登录的时候，随时再来。",
    },
    no_cookie: Saying {
        errmsg: "登录状态缺失，请重新登录",
        heading: "还差一步，没能登录",
        body: "登录开始时，我们请浏览器记下一个小凭证（Cookie），可是它没有回来，所以无法确认这次登录是你本人发起的。",
    },
    no_cookie_causes_heading: "多半是因为：",
    no_cookie_causes: [
        "手机上的 QQ 打开了另一个浏览器。点下面的按钮，就在这里重新登录。",
        "浏览器拦下了 Cookie。请在设置里允许本站使用 Cookie，或退出无痕模式。",
        "开始登录时用的是另一个网址，比如一个带 www，一个不带。请始终用同一个网址。",
    ],
    no_cookie_over_http: "网址以 http:// 开头，而本站的 Cookie 只能通过 https:// 传送。请改用 https:// 打开。",
    foreign_attempt: Saying {
        errmsg: "登录不是在这个浏览器里开始的",
        heading: "这次登录不是从这里开始的",
        body: "多半是手机上的 QQ 打开了另一个浏览器。你可以回到原来的浏览器，也可以在这里重新登录。如果登录的人不是你，关掉这个页面就好。",
    },
    expired_attempt: Saying {
        errmsg: "登录已超时，请重新登录",
        heading: "等得有点久了",
        body: "为了安全，每次登录只在几分钟内有效。再登录一次就好。",
    },
    used_attempt: Saying {
        errmsg: "登录链接已使用，请重新登录",
        heading: "这次登录已经用过了",
        body: "可能是页面被刷新了，或者按了后退。如果你已经登录，接着逛就好；如果没有，请再登录一次。",
    },

    request_timeout: Saying {
        errmsg: "请求内容未按时传完",
        heading: "内容没有传完",
        body: "上传中途停了下来，我们没有等到剩下的部分。请检查网络后再试一次。",
    },
    bad_request: Saying {
        errmsg: "请求格式有误",
        heading: "这个请求没看懂",
        body: "里面有些内容让我们没法放心处理。请检查网址有没有多出来的字符，或者从首页重新开始。",
    },
    login_needed: Saying {
        errmsg: "用户未登录", heading: "请先登录", body: "登录以后才能看到这一页。"
    },
    forbidden: Saying {
        errmsg: "没有访问权限",
        heading: "这里暂时不对你开放",
        body: "你没有查看这一页的权限。如果觉得不该这样，请联系网站客服。",
    },
    blocked: Saying {
        errmsg: "账号已停用",
        heading: "这个账号已停用",
        body: "目前不能用它登录。如果有疑问，请联系网站客服。",
    },
    unknown_there: Saying {
        errmsg: "该账号尚未与站内用户绑定",
        heading: "这里还没有你的用户",
        body: "你已登录，但这个账号还没有绑定到网站里的用户，所以打不开这一页。请联系网站客服绑定。",
    },
    foreign_origin: Saying {
        errmsg: "请求来自其他网站",
        heading: "这个操作来自别的网站",
        body: "为了保护你的账号，我们没有执行它。如果确实是你想做的，请回到本站的页面上再操作一次。",
    },
    not_found: Saying {
        errmsg: "页面不存在",
        heading: "这里什么也没有",
        body: "网址可能抄漏了几个字，也可能这一页已经搬走了。",
    },
    method_not_allowed: Saying {
        errmsg: "请求方法不被允许",
        heading: "这个网址不能这样用",
        body: "它确实存在，只是不接受这种请求。请从首页重新开始。",
    },
    target_too_long: Saying {
        errmsg: "网址过长",
        heading: "网址太长了",
        body: "这个网址超出了我们能处理的长度，请换个短一些的再试。",
    },
    unknown_host: Saying {
        errmsg: "没有这个站点", heading: "这里没有叫这个名字的网站", body: "你访问的是："
    },
    sites_here: "这里有的网站",
    for_the_operator: "如果你是网站管理员",
    pass_the_host_on: "前面还有 nginx 的话，请让它把访客所写的 Host 原样传过来：",
    misdirected: Saying {
        errmsg: "此连接不能用于这个站点",
        heading: "当前连接不能访问这个网站",
        body: "这个网站对客户端证书有自己的要求。请关闭浏览器后重新打开网址；如果中间有代理，需要让它原样透传 TLS。",
    },
    too_often: Saying {
        errmsg: "操作过于频繁，请稍后再试", heading: "慢一点，歇口气", body: "刚才试的次数有点多。"
    },
    login_failed: Saying {
        errmsg: "OAuth2.0认证失败",
        heading: "这次没能登录成功",
        body: "登录走到最后一步没有成功，什么都没有改变。通常只是一时的问题，请再登录一次。",
    },
    internal: Saying {
        errmsg: "服务器内部错误", heading: "我们这边出了点问题", body: "不是你的错。请过一会儿再试。"
    },
    bad_gateway: Saying {
        errmsg: "网站暂时无法访问",
        heading: "网站暂时打不开",
        body: "后面的服务器没有应答，可能正在维护。请过一分钟再试。",
    },
    login_unavailable: Saying {
        errmsg: "暂时无法登录，请稍后再试",
        heading: "暂时不能登录",
        body: "登录服务正在恢复，已经登录的人不受影响。",
    },
    overloaded: Saying {
        errmsg: "服务繁忙，请稍后再试", heading: "现在人有点多", body: "一时招呼不过来，抱歉。"
    },
    maintenance: Saying {
        errmsg: "网站维护中，请稍后再来",
        heading: "网站正在维护",
        body: "我们正在做一些调整，很快就回来。",
    },
    gateway_timeout: Saying {
        errmsg: "网站响应超时",
        heading: "网站迟迟没有回应",
        body: "请过一分钟再试。如果刚才提交了订单之类的内容，请先看看是不是已经成功。",
    },
};
