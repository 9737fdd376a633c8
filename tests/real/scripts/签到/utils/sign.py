from hashlib import md5, sha256
import hmac

UA = 'Mozilla/5.0 (iPhone; CPU iPhone OS 16_0 like Mac OS X) MicroMessenger/8.0.30'


def 计算签名(参数, 密钥):
    串 = '&'.join('{}={}'.format(k, 参数[k]) for k in sorted(参数)) + '&key=' + 密钥
    return hmac.new(密钥.encode(), md5(串.encode()).hexdigest().upper().encode(), sha256).hexdigest()
