//! 简体中文。

use super::{Claims, Texts};

pub(super) static TEXTS: Texts = Texts {
    shop_name: "美多小铺",
    navigation: "主导航",
    footer: "这是一家只为演示而开的小店：商品、订单都是编的，付不了款，也请放心逛。",
    colon: "：",

    greeting: "你好，",
    log_in_with_qq: "QQ 登录",
    log_out: "退出",

    front_title: "首页",
    hero_heading: "一些小东西，一点好心情",
    hero_body: "茶杯、灯笼、纸伞、年画。不着急，慢慢看。",
    add_to_cart: "加入购物车",
    keep_looking: "继续逛逛",

    cart: "购物车",
    cart_is_empty: "购物车还空着，去挑一件喜欢的吧。",
    remove: "移除",
    total: "合计",
    check_out: "去结算",

    center: "我的小铺",
    welcome: ("", "，欢迎回来"),
    your_name: "昵称",
    your_id: "用户编号",
    told_by: "小铺从哪里得知",
    how_do_we_know: "看看请求头",

    orders: "我的订单",
    orders_of: ("以下是 ", " 的订单。"),
    order_number: "订单号",

    headers: "请求头",
    headers_heading: "小铺收到了什么",
    headers_body: "小铺自己不验证登录。每个请求到达时，它能知道的全在这一页。",
    identity_heading: "身份令牌（JWT）",
    not_verified: "下面的内容只是解码出来给你看，没有验证签名。真正的后端必须先用公钥（/.well-known/jwks.json）或共享密钥验证签名，再相信里面的话。",
    no_token: "这个请求没有带令牌：还没有登录，或者这个路径是公开的，代理不会附上身份。",
    claim: "声明",
    header: "名称",
    value: "值",
    meaning: "含义",
    all_headers: "全部请求头",
    secrets_are_cut: "Cookie 的值和令牌的签名只显示开头，截图分享也不会泄露登录状态。",
    claims: Claims {
        issuer: "签发者",
        subject: "主体，即用户",
        audience: "给谁看的",
        expires: "何时失效",
        not_before: "何时生效",
        issued_at: "何时签发",
        token_id: "令牌编号",
        user_id: "用户编号",
        username: "用户名",
        name: "昵称，由用户自己取，只供显示",
        provider: "在哪里登录的",
        session: "会话编号",
    },

    log_in_first_heading: "请先登录",
    log_in_first_body: "这一页只给认识的客人看。如果你刚刚登录过却还是看到这里，说明前面的代理没有把你的身份告诉小铺。",
    not_found_heading: "没有找到这一页",
    not_found_body: "它可能卖完了，也可能从来没有上架过。",
};
